"""The application's SQLAlchemy pools, told when the database behind them was replaced."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import Pool

from testkit.isolation.driver_facts import server_port

if TYPE_CHECKING:
    import asyncio

    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

__all__ = ["PoolWatch"]


class PoolWatch:
    """Follows every pool of the process, sync and async.

    A pooled connection to the watched database that is older than its last replacement is
    exchanged at its next checkout, in the checkout's own loop; the application sees nothing.
    Connections to other servers are left alone.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._generation = 0
        self._loops: dict[int, asyncio.AbstractEventLoop] = {}
        # One process may hold several watches, each with a count of its own.
        self._key = f"testkit generation {id(self)}"

    def start(self) -> None:
        """Listen to all pools, also to those that exist already."""
        event.listen(Pool, "connect", self._connected)
        event.listen(Pool, "checkout", self._checked_out)

    def stop(self) -> None:
        """Stop listening."""
        event.remove(Pool, "connect", self._connected)
        event.remove(Pool, "checkout", self._checked_out)

    def replaced(self) -> None:
        """Note that the database was replaced: every connection made so far is dead."""
        self._generation += 1

    def suspended(self) -> set[int]:
        """Return the backends of connections whose event loop has tasks, but does not run now."""
        self._loops = {pid: loop for pid, loop in self._loops.items() if not loop.is_closed()}
        return {pid for pid, loop in self._loops.items() if not loop.is_running() and _tasks(loop)}

    def _connected(self, connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        record.info.pop(self._key, None)
        if server_port(connection) == self._port:
            record.info[self._key] = self._generation
            asyncio = sys.modules.get("asyncio")  # where it is not loaded there is no loop
            if asyncio is not None and hasattr(connection, "driver_connection"):
                with contextlib.suppress(RuntimeError):
                    self._loops[_backend(connection)] = asyncio.get_running_loop()

    def _checked_out(
        self, _connection: DBAPIConnection, record: ConnectionPoolEntry, _proxy: object
    ) -> None:
        if record.info.get(self._key, self._generation) != self._generation:
            raise DisconnectionError("the database was replaced by testkit")


def _tasks(loop: asyncio.AbstractEventLoop) -> bool:
    """Return whether anybody is there who may go on with a connection."""
    return bool(sys.modules["asyncio"].all_tasks(loop))


def _backend(connection: Any) -> int:
    """Return the process id of the server's side of a psycopg or asyncpg connection."""
    driver = getattr(connection, "driver_connection", connection)
    asked = getattr(driver, "get_server_pid", None)
    return int(asked() if asked is not None else driver.info.backend_pid)
