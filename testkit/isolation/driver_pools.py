"""How connections of each driver's own pool are taken and returned where the pool is followed.

A row per class of pools. None of the drivers is imported here. Each method stands for the public
one of its name and calls that; asynchronous ones run in the loop of whoever called them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from testkit.isolation.followed_pools import Loans

__all__ = ["KINDS", "Methods"]

_Overriding = dict[str, Callable[..., Any]]


class Methods(NamedTuple):
    """What overrides the methods of a class of pools, and what that class must have for it."""

    overriding: Callable[[Any, Loans], _Overriding]
    needs: tuple[str, ...] = ()


def _psycopg(kind: Any, loans: Loans) -> _Overriding:
    def works(connection: Any) -> bool:
        # It may have been in the making while the database was replaced, by a worker of the pool.
        try:
            kind.check_connection(connection)
        except Exception:  # noqa: BLE001 - the next one will do, or fail in getconn
            return False
        return True

    def getconn(self: Any, timeout: float | None = None) -> Any:
        with loans.lock:
            if not self.closed and loans.turn():
                # What is out is closed when it is returned.
                self.drain()
                for left in loans.abandoned():
                    with contextlib.suppress(Exception):
                        kind.putconn(self, left)
        connection = kind.getconn(self, timeout)
        while not (loans.know(connection) or works(connection)):
            kind.putconn(self, connection)
            connection = kind.getconn(self, timeout)
        loans.taken(connection)
        return connection

    def putconn(self: Any, conn: Any) -> None:
        if loans.returned(conn):
            kind.putconn(self, conn)

    return {"getconn": getconn, "putconn": putconn}


def _psycopg_async(kind: Any, loans: Loans) -> _Overriding:
    async def works(connection: Any) -> bool:
        try:
            await kind.check_connection(connection)
        except Exception:  # noqa: BLE001 - as above
            return False
        return True

    async def getconn(self: Any, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - psycopg's
        if not self.closed and loans.turn():
            try:
                await self.drain()
            except BaseException:
                loans.not_emptied()
                raise
            for left in loans.abandoned():
                with contextlib.suppress(Exception):
                    await kind.putconn(self, left)
        connection = await kind.getconn(self, timeout)
        while not (loans.know(connection) or await works(connection)):
            await kind.putconn(self, connection)
            connection = await kind.getconn(self, timeout)
        loans.taken(connection, asyncio.get_running_loop())
        return connection

    async def putconn(self: Any, conn: Any) -> None:
        if loans.returned(conn):
            await kind.putconn(self, conn)

    return {"getconn": getconn, "putconn": putconn}


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


class _Acquiring:
    """Like asyncpg's own answer to ``acquire``: to be awaited, or for ``async with``."""

    def __init__(self, prepare: Callable[[], Any], given: Any, loans: Loans) -> None:
        self._prepare, self._given, self._loans = prepare, given, loans

    async def _acquired(self) -> Any:
        await self._prepare()
        return self._noted(await self._given)

    def _noted(self, connection: Any) -> Any:
        self._loans.taken(connection, asyncio.get_running_loop())
        return connection

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._acquired().__await__()

    async def __aenter__(self) -> Any:
        await self._prepare()
        return self._noted(await self._given.__aenter__())

    async def __aexit__(self, *error: object) -> None:
        await self._given.__aexit__(*error)


def _asyncpg(kind: Any, loans: Loans) -> _Overriding:
    async def prepare(pool: Any) -> None:
        if loans.turn():
            # Each is closed when it is next acquired, or released.
            await pool.expire_connections()
            await take_back(pool)

    async def take_back(pool: Any) -> None:
        for left in loans.abandoned():
            with contextlib.suppress(Exception):
                await kind.release(pool, left)

    def acquire(self: Any, *, timeout: float | None = None) -> _Acquiring:
        return _Acquiring(lambda: prepare(self), kind.acquire(self, timeout=timeout), loans)

    async def release(self: Any, connection: Any, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncpg's
        if loans.returned(connection):
            await kind.release(self, connection, timeout=timeout)

    async def close(self: Any) -> None:
        await take_back(self)  # it would wait for them for ever
        await kind.close(self)

    return {"acquire": acquire, "release": release, "close": close}


KINDS: Final[Mapping[tuple[str, str], Methods]] = {
    ("psycopg_pool", "ConnectionPool"): Methods(_psycopg, ("drain", "check_connection")),
    ("psycopg_pool", "AsyncConnectionPool"): Methods(_psycopg_async, ("drain", "check_connection")),
    ("psycopg2.pool", "AbstractConnectionPool"): Methods(_psycopg2),
    ("asyncpg", "Pool"): Methods(_asyncpg),
}
