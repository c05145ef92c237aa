"""The schema ``alembic``: the project's migrations, applied in a process of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testkit.core.messages import TestkitError
from testkit.servers.schema.child import SchemaProcess

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Migration"]


class Migration:
    """Starts loading Alembic at once; ``apply`` sends it to a database."""

    def __init__(self, ini: Path, root: Path) -> None:
        self._ini, self._root = ini, root
        self._process = SchemaProcess("testkit.servers.schema.migrate", str(ini), root=root)

    def apply(self, url: str, env: Mapping[str, str]) -> None:
        """Upgrade the database at ``url`` to all heads; raises TK201 with the end of the output."""
        self._process.send({"url": url, "env": {"DATABASE_URL": url, **env}})
        code = self._process.finish()
        if code:
            raise TestkitError(
                "TK201",
                what=f"the migrations of {self._ini}",
                root=self._root,
                code=code,
                log=self._process.last_words(),
            )

    def nothing_arrived(self) -> TestkitError:
        """Return TK202: there is no table where the migrations should have made some."""
        return TestkitError("TK202", ini=self._ini, root=self._root)

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._process.close()
