"""The last statements of the running test, for its report should it fail."""

from __future__ import annotations

import time
from collections import deque
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import Engine, event

from testkit.isolation.bill import Bill
from testkit.isolation.queries.normal_form import on_one_line
from testkit.isolation.queries.parameters import shown
from testkit.isolation.queries.place import leads_to

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from testkit.isolation.queries.place import Place

__all__ = ["MOST_CHARACTERS", "LastStatements"]

#: Of a statement.
MOST_CHARACTERS: Final = 400
_MOST_STATEMENTS: Final = 10
# What a driver is given for others may be anybody's class, also a mapped one.
_PLAIN: Final = (
    *(str, bytes, bool, int, float, type(None)),
    *(Decimal, datetime, date, timedelta, UUID),
)


class _Sent:
    __slots__ = ("ended", "many", "names", "parameters", "started", "statement")

    def __init__(self, statement: str, parameters: object, names: object, *, many: bool) -> None:
        self.statement, self.parameters, self.names = statement, parameters, names
        self.many = many
        self.ended: float | None = None
        self.started = time.perf_counter()


class LastStatements:
    """Keeps what SQLAlchemy sent last to one database, by any engine, thread or task.

    Kept as it was sent; made to text only by ``lines``. Parameters are shown as
    ``database.queries`` shows them, not at all where the engine hides them, and only values of
    plain types. The times of those that ended go to the bill's item ``queries``.
    """

    def __init__(self, port: int, database: str, bill: Bill | None = None) -> None:
        self._place: Place = (port, database)
        self._bill = bill or Bill()
        self._key = f"testkit last {id(self)}"
        self._sent: deque[_Sent] = deque(maxlen=_MOST_STATEMENTS)
        self._running: dict[int, _Sent] = {}

    def start(self) -> None:
        """Listen to all engines."""
        event.listen(Engine, "before_cursor_execute", self._before)
        event.listen(Engine, "after_cursor_execute", self._after)

    def stop(self) -> None:
        """Stop listening."""
        event.remove(Engine, "before_cursor_execute", self._before)
        event.remove(Engine, "after_cursor_execute", self._after)

    def forget(self) -> None:
        """Let another test begin."""
        self._sent.clear()
        self._running.clear()

    def lines(self) -> list[str]:
        """Return one line for each, the last one last."""
        return [_line(sent) for sent in tuple(self._sent)]

    def _before(  # noqa: PLR0917 - SQLAlchemy's signature
        self,
        connection: Connection,
        cursor: object,
        statement: str,
        parameters: object,
        context: Any,
        executemany: bool,  # noqa: FBT001 - the same
    ) -> None:
        if not leads_to(connection, self._place, key=self._key):
            return
        if connection.engine.hide_parameters:
            parameters = None
        names = getattr(getattr(context, "compiled", None), "positiontup", None)
        sent = _Sent(statement, parameters, names, many=executemany)
        self._running[id(cursor)] = sent
        self._sent.append(sent)

    def _after(self, _connection: object, cursor: object, *_others: object) -> None:
        ended = time.perf_counter()
        sent = self._running.pop(id(cursor), None)
        if sent is not None:
            sent.ended = ended
            self._bill.add("queries", ended - sent.started)


def _line(sent: _Sent) -> str:
    took = "no end" if sent.ended is None else f"{(sent.ended - sent.started) * 1000:.1f} ms"
    names = sent.names if isinstance(sent.names, (list, tuple)) else ()
    values = (
        "" if not sent.parameters else shown(_plain(sent.parameters), names=names, many=sent.many)
    )
    sql = on_one_line(sent.statement, MOST_CHARACTERS)
    return f"{took:>10}  {sql}{'  ' if values else ''}{values}"


def _plain(parameters: object) -> object:
    """Return parameters in which only values of plain types are left."""
    if isinstance(parameters, dict):
        return {name: _plain(value) for name, value in parameters.items()}
    if isinstance(parameters, (list, tuple)):
        return [_plain(value) for value in parameters]
    return parameters if type(parameters) in _PLAIN else _Other(type(parameters).__name__)


class _Other:
    """Stands for a value whose own ``repr`` may do anything."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"<{self._name}>"
