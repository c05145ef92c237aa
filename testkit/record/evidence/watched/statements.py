"""The texts of the last statements that SQLAlchemy sent, by any engine; never parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections import deque

__all__ = ["LIBRARY", "Watch"]

LIBRARY: Final = "sqlalchemy"


class Watch:
    """Listens to all engines of the process."""

    def __init__(self, ring: deque[str]) -> None:
        self._ring = ring
        # Kept: a test may take the module out of sys.modules, or import it anew.
        self._sqlalchemy: Any = None

    def begin(self, sqlalchemy: Any) -> None:
        """Listen, once SQLAlchemy has been imported; to the new one where it is imported anew."""
        self.end()
        sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", self._sent)
        self._sqlalchemy = sqlalchemy

    def end(self) -> None:
        """Listen no more."""
        sqlalchemy, self._sqlalchemy = self._sqlalchemy, None
        if sqlalchemy is not None:
            sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", self._sent)

    def _sent(self, _connection: object, _cursor: object, statement: object, *_: object) -> None:
        if type(statement) is str:
            self._ring.append(statement)
