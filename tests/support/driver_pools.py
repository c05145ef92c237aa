"""The drivers' own pools behind one face, for tests that hold for each of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import psycopg_pool
import pytest
from psycopg2.pool import ThreadedConnectionPool

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DRIVERS", "POOLS", "DriverPool"]

_CONFIGURE: Final = "SET shop.configured = 'yes'"


class DriverPool(ABC):
    """A pool of ``size`` connections in which ``shop.configured`` is set, by a callback if it can."""

    pool: Any

    @abstractmethod
    async def open(self, url: str, *, size: int = 1) -> None:
        """Connect."""

    async def take(self) -> Any:
        return self.pool.getconn()

    async def give(self, connection: Any) -> None:
        self.pool.putconn(connection)

    @abstractmethod
    async def run(self, connection: Any, statement: str) -> Any:
        """Run and commit a statement; answer its first value, if it has one."""

    async def close(self) -> None:
        self.pool.close()

    async def do(self, statement: str) -> Any:
        """Run a statement on a connection that is returned at once."""
        connection = await self.take()
        try:
            return await self.run(connection, statement)
        finally:
            await self.give(connection)


class Psycopg(DriverPool):
    async def open(self, url: str, *, size: int = 1) -> None:
        def configure(connection: Any) -> None:
            connection.execute(_CONFIGURE)
            connection.commit()

        self.pool = psycopg_pool.ConnectionPool(url, min_size=size, open=False, configure=configure)
        self.pool.open(wait=True)

    async def run(self, connection: Any, statement: str) -> Any:
        cursor = connection.execute(statement)
        row = cursor.fetchone() if cursor.description else None
        connection.commit()
        return row and row[0]


class AsyncPsycopg(DriverPool):
    async def open(self, url: str, *, size: int = 1) -> None:
        async def configure(connection: Any) -> None:
            await connection.execute(_CONFIGURE)
            await connection.commit()

        self.pool = psycopg_pool.AsyncConnectionPool(
            url, min_size=size, open=False, configure=configure
        )
        await self.pool.open(wait=True)

    async def take(self) -> Any:
        return await self.pool.getconn()

    async def give(self, connection: Any) -> None:
        await self.pool.putconn(connection)

    async def run(self, connection: Any, statement: str) -> Any:
        cursor = await connection.execute(statement)
        row = await cursor.fetchone() if cursor.description else None
        await connection.commit()
        return row and row[0]

    async def close(self) -> None:
        await self.pool.close()


class Psycopg2(DriverPool):
    async def open(self, url: str, *, size: int = 1) -> None:
        # It has no callback; what a URL says is said to each connection.
        options = "-c shop.configured=yes"
        self.pool = ThreadedConnectionPool(size, size, url, options=options)

    async def run(self, connection: Any, statement: str) -> Any:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            row = cursor.fetchone() if cursor.description else None
            return row and row[0]

    async def close(self) -> None:
        self.pool.closeall()


class Asyncpg(DriverPool):
    async def open(self, url: str, *, size: int = 1) -> None:
        # Not by SET: asyncpg itself would reset that at the first return.
        settings = {"shop.configured": "yes"}
        self.pool = await asyncpg.create_pool(
            url, min_size=size, max_size=size, server_settings=settings
        )

    async def take(self) -> Any:
        return await self.pool.acquire()

    async def give(self, connection: Any) -> None:
        await self.pool.release(connection)

    async def run(self, connection: Any, statement: str) -> Any:
        return await connection.fetchval(statement)

    async def close(self) -> None:
        self.pool.terminate()


#: By the name of the driver.
POOLS: Final[dict[str, Callable[[], DriverPool]]] = {
    "psycopg": Psycopg,
    "async psycopg": AsyncPsycopg,
    "psycopg2": Psycopg2,
    "asyncpg": Asyncpg,
}

#: The same, for a parametrization: one of each kind among the fast tests.
DRIVERS: Final = [
    "psycopg",
    pytest.param("async psycopg", marks=pytest.mark.slow),
    pytest.param("psycopg2", marks=pytest.mark.slow),
    "asyncpg",
]
