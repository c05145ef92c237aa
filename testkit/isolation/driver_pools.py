"""How connections of each driver's own pool are taken and returned where the pool is followed.

A row per class of pools. None of the drivers is imported here. Each method stands for the one of
its name and calls that; asynchronous ones run in the loop of whoever called them.

The private ones are those through which also a bound method passes that somebody has kept from
before: SQLAlchemy's recipe for psycopg's pool is ``creator=pool.getconn``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testkit.isolation.followed_pools import Loans

__all__ = ["KINDS", "Methods"]

_Overriding = dict[str, Callable[..., Any]]


class Methods(NamedTuple):
    """What overrides the methods of a class of pools, and what that class must have for it."""

    overriding: Callable[[Any, Loans], _Overriding]
    needs: tuple[str, ...] = ()


class _OutdatedError(Exception):
    """A connection is not to be handed out; psycopg's pool takes another one then."""


def _psycopg(kind: Any, loans: Loans) -> _Overriding:
    def empty(pool: Any) -> bool:
        with loans.lock:
            if pool.closed or not loans.turn():
                return False
            # What is out is closed when it is returned.
            pool.drain()
            for left in loans.abandoned():
                with contextlib.suppress(Exception):
                    kind.putconn(pool, left)
            return True

    def getconn(self: Any, timeout: float | None = None) -> Any:
        empty(self)
        return kind.getconn(self, timeout)

    # Called with each connection that is about to be handed out.
    def _check_connection(self: Any, conn: Any) -> None:
        if empty(self) or loans.outdated(conn):
            conn.close()
            raise _OutdatedError
        if not loans.know(conn):
            # A worker may have been making it while the database was replaced.
            kind.check_connection(conn)
        kind._check_connection(self, conn)  # noqa: SLF001 - see above
        loans.taken(conn)

    def putconn(self: Any, conn: Any) -> None:
        if loans.returned(conn):
            kind.putconn(self, conn)

    return {"getconn": getconn, "_check_connection": _check_connection, "putconn": putconn}


def _psycopg_async(kind: Any, loans: Loans) -> _Overriding:
    async def empty(pool: Any) -> bool:
        if pool.closed or not loans.turn():
            return False
        try:
            await pool.drain()
        except BaseException:
            loans.not_emptied()
            raise
        await _give_back(loans, partial(kind.putconn, pool))
        return True

    async def getconn(self: Any, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - psycopg's
        await empty(self)
        return await kind.getconn(self, timeout)

    async def _check_connection(self: Any, conn: Any) -> None:
        if await empty(self) or loans.outdated(conn):
            await conn.close()
            raise _OutdatedError
        if not loans.know(conn):
            await kind.check_connection(conn)
        await kind._check_connection(self, conn)  # noqa: SLF001 - see above
        loans.taken(conn, asyncio.get_running_loop())

    async def putconn(self: Any, conn: Any) -> None:
        if loans.returned(conn):
            await kind.putconn(self, conn)

    return {"getconn": getconn, "_check_connection": _check_connection, "putconn": putconn}


def _psycopg2(kind: Any, loans: Loans) -> _Overriding:
    def getconn(self: Any, key: Any = None) -> Any:
        # psycopg2 connects under a lock of its own; this one covers what ours does besides.
        with loans.lock:
            if not self.closed and loans.turn():
                # No public method empties the pool; what is not there is made when it is wanted.
                while self._pool:
                    self._pool.pop().close()
                for left in loans.abandoned():
                    with contextlib.suppress(Exception):
                        kind.putconn(self, left, close=True)
            connection = kind.getconn(self, key)
            loans.taken(connection)
        return connection

    def putconn(self: Any, conn: Any = None, key: Any = None, close: bool = False) -> None:  # noqa: FBT001, FBT002 - psycopg2's
        with loans.lock:
            outdated = not loans.is_of_now(conn)
            if loans.returned(conn):
                kind.putconn(self, conn, key, close or outdated)

    return {"getconn": getconn, "putconn": putconn}


def _asyncpg(kind: Any, loans: Loans) -> _Overriding:
    # Awaited by what `acquire` answers, however that is used.
    async def _acquire(self: Any, timeout: float | None) -> Any:  # noqa: ASYNC109 - asyncpg's
        if loans.turn():
            # Each is closed when it is next acquired, or released.
            await self.expire_connections()
            await _give_back(loans, partial(kind.release, self))
        connection = await kind._acquire(self, timeout)  # noqa: SLF001 - see above
        loans.taken(connection, asyncio.get_running_loop())
        return connection

    async def release(self: Any, connection: Any, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncpg's
        if loans.returned(connection):
            await kind.release(self, connection, timeout=timeout)

    async def close(self: Any) -> None:
        # It would wait for them for ever.
        await _give_back(loans, partial(kind.release, self))
        await kind.close(self)

    return {"_acquire": _acquire, "release": release, "close": close}


async def _give_back(loans: Loans, give: Callable[[Any], Any]) -> None:
    """Return to an asynchronous pool what was left by those who have taken it."""
    for left in loans.abandoned():
        with contextlib.suppress(Exception):
            await give(left)


_PSYCOPG: Final = ("drain", "check_connection", "_check_connection")

KINDS: Final[Mapping[tuple[str, str], Methods]] = {
    ("psycopg_pool", "ConnectionPool"): Methods(_psycopg, _PSYCOPG),
    ("psycopg_pool", "AsyncConnectionPool"): Methods(_psycopg_async, _PSYCOPG),
    ("psycopg2.pool", "AbstractConnectionPool"): Methods(_psycopg2),
    ("asyncpg", "Pool"): Methods(_asyncpg, ("expire_connections", "_acquire")),
}
