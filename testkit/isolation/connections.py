"""A connection as SQLAlchemy's pools hold it: of psycopg, sync and async, psycopg2 or asyncpg.

Asynchronous connections are driven as SQLAlchemy does it in its own pool events: within the
checkout's greenlet, hence in its loop.
"""

from __future__ import annotations

import contextlib
import re
import sys
from typing import TYPE_CHECKING, Any, Final

from testkit.core.relayed import relayed

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

__all__ = [
    "backend_pid",
    "database_name",
    "in_transaction",
    "is_joined",
    "overhear",
    "own_port",
    "rows",
    "running_loop",
    "server_port",
    "usable_here",
]

_IDLE: Final = 0  # PQTRANS_IDLE, which psycopg and psycopg2 number as libpq does
_NO_ROWS: Final = "SELECT 0"
_DOTTED_NAME: Final = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)+")


def server_port(connection: Any) -> int | None:
    """Return the server's port, also behind a relay; None for a connection of any other driver."""
    port = own_port(connection)
    return port if port is None else relayed.port(port)


def own_port(connection: Any) -> int | None:
    """Return the port that it was made to, None for a connection of any other driver."""
    driver = _driver(connection)
    port = getattr(getattr(driver, "info", None), "port", None)
    if port is None:
        address = getattr(driver, "_addr", None)  # asyncpg has no public name for it
        port = address[1] if isinstance(address, tuple) else None
    return port if isinstance(port, int) else None


def database_name(connection: Any) -> str | None:
    """Return the name of the database, None for a connection of any other driver."""
    driver = _driver(connection)
    name = getattr(getattr(driver, "info", None), "dbname", None)
    if name is None:
        name = getattr(getattr(driver, "_params", None), "database", None)  # asyncpg, as above
    return name if isinstance(name, str) else None


def backend_pid(connection: Any) -> int:
    """Return the process id of the server's side."""
    driver = _driver(connection)
    asked = getattr(driver, "get_server_pid", None)
    return int(asked() if asked is not None else driver.info.backend_pid)


def running_loop(connection: Any) -> asyncio.AbstractEventLoop | None:
    """Return the loop that runs now, for an asynchronous connection."""
    loaded = sys.modules.get("asyncio")  # where it is not there is no loop
    loop: asyncio.AbstractEventLoop | None = None
    if loaded is not None and hasattr(connection, "driver_connection"):
        with contextlib.suppress(RuntimeError):
            loop = loaded.get_running_loop()
    return loop


def usable_here(connection: Any, made_in: asyncio.AbstractEventLoop | None) -> bool:
    """Return whether the loop that runs now is one that the driver can use the connection in."""
    return not _is_asyncpg(connection) or made_in is running_loop(connection)


def is_joined(connection: Any) -> bool:
    """Return whether it shares its session with others (isolation ``rollback``)."""
    return hasattr(_driver(connection), "outer")


def in_transaction(connection: Any) -> bool:
    """Return whether a transaction is open, as far as the driver knows."""
    if _is_asyncpg(connection):
        return bool(_driver(connection).is_in_transaction())
    return bool(connection.info.transaction_status != _IDLE)


def rows(connection: Any, query: str, *, behind: str = "") -> list[tuple[Any, ...]]:
    """Run the commands ``behind`` and the query, in one message, and return the query's rows.

    The commands may run before the query or after it. No transaction is left open that was not open
    before, and no prepared statement where there are no rows.
    """
    if _is_asyncpg(connection):
        text = f"{behind};{query}" if behind else query
        # The simple protocol, the only one for several statements, tells nothing but their number.
        if connection.run_async(lambda driver: driver.execute(text)) == _NO_ROWS:
            return []
        return [tuple(row) for row in connection.run_async(lambda driver: driver.fetch(query))]
    # With a second statement psycopg never comes to prepare it.
    if hasattr(_driver(connection), "pgconn"):
        return _psycopg_rows(connection, f"{query};{behind}")
    idle = not in_transaction(connection)
    # psycopg2 keeps the last result only.
    found = _fetched(connection, f"{behind};{query}")
    if idle:
        connection.commit()
    return found


def overhear(connection: Any) -> Callable[[], set[str]]:
    """Hear what is run from now on, and return the dotted names in it when called, which ends it.

    asyncpg tells nothing of statements that were prepared first, as SQLAlchemy does.
    """
    heard: set[str] = set()

    def hear(*parts: object) -> None:
        text = " ".join(map(str, parts)).replace('"', "")
        heard.update(_DOTTED_NAME.findall(text))

    stop = (_overhear_asyncpg if _is_asyncpg(connection) else _overhear_cursors)(connection, hear)

    def end() -> set[str]:
        stop()
        return heard

    return end


def _overhear_asyncpg(connection: Any, hear: Callable[..., None]) -> Callable[[], None]:
    driver = _driver(connection)

    def log(query: Any) -> None:
        hear(query.query, query.args)

    def stop() -> None:
        # asyncpg calls its loggers in the loop's next turn.
        connection.run_async(lambda _: sys.modules["asyncio"].sleep(0))
        driver.remove_query_logger(log)

    driver.add_query_logger(log)
    return stop


def _overhear_cursors(connection: Any, hear: Callable[..., None]) -> Callable[[], None]:
    driver = _driver(connection)
    before = driver.cursor_factory
    # psycopg2 has none where it was given none.
    kind: Any = before or sys.modules["psycopg2.extensions"].cursor

    def execute(self: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        # An object of psycopg.sql says what it stands for only by this.
        text = query.as_string(self) if hasattr(query, "as_string") else query
        hear(text, arguments, options)
        return kind.execute(self, query, *arguments, **options)

    hearing = type(kind.__name__, (kind,), {"execute": execute})

    def stop() -> None:
        if driver.cursor_factory is hearing:
            driver.cursor_factory = before

    driver.cursor_factory = hearing
    return stop


def _psycopg_rows(connection: Any, text: str) -> list[tuple[Any, ...]]:
    # Else psycopg begins a transaction: two round trips more.
    switched = not connection.autocommit and not in_transaction(connection)
    if switched:
        connection.autocommit = True
    try:
        return _fetched(connection, text)
    finally:
        if switched:
            connection.autocommit = False


def _fetched(connection: Any, text: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(connection.cursor()) as cursor:
        cursor.execute(text)
        return [tuple(row) for row in cursor.fetchall()]


def _driver(connection: Any) -> Any:
    return getattr(connection, "driver_connection", connection)


def _is_asyncpg(connection: Any) -> bool:
    return hasattr(_driver(connection), "get_server_pid")
