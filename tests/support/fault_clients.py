"""Clients of Redis and Postgres that try once: what each sees of a fault."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import psycopg
import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

if TYPE_CHECKING:
    from testkit.faults.faults import Faults
    from testkit.faults.relay import Relay

__all__ = ["CLIENTS", "SOON", "Client"]

#: Seconds after which a client gives up that is to do so; those of libpq are two at least.
SOON: Final = 0.05
_LATE: Final = 30.0


class Client(ABC):
    """One connection. The synchronous ones block the test's loop, which the relay must stand."""

    #: What it raises where its connection is lost.
    lost: tuple[type[BaseException], ...]
    #: What it raises where nobody listens.
    refused: tuple[type[BaseException], ...]
    #: What it raises for its own timeout; none where the driver has none below two seconds.
    late: tuple[type[BaseException], ...] = ()
    #: Which property of the fixture it talks to.
    server = "redis"

    def __init__(self, faults: Faults, patience: float = _LATE) -> None:
        self.faults, self.patience = faults, patience

    def relay(self) -> Relay:
        """Return the relay between it and its server."""
        found: Relay = getattr(self.faults, self.server)
        return found

    @abstractmethod
    async def open(self) -> None:
        """Connect."""

    @abstractmethod
    async def ask(self) -> str:
        """Return the word ``pong`` from the server."""

    @abstractmethod
    async def close(self) -> None:
        """Close it, whatever became of it."""


class RedisSync(Client):
    """redis-py."""

    lost = (redis.ConnectionError,)
    refused = (redis.ConnectionError,)
    late = (redis.TimeoutError,)
    client: redis.Redis

    async def open(self) -> None:
        self.client = redis.Redis.from_url(
            self.faults.redis.url,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=self.patience,
            socket_connect_timeout=self.patience,
            decode_responses=True,
        )
        self.client.ping()

    async def ask(self) -> str:
        return str(self.client.echo("pong"))

    async def close(self) -> None:
        self.client.close()


class RedisAsync(Client):
    """redis.asyncio."""

    lost = (redis.ConnectionError,)
    refused = (redis.ConnectionError,)
    late = (redis.TimeoutError,)
    client: redis.asyncio.Redis

    async def open(self) -> None:
        self.client = redis.asyncio.Redis.from_url(
            self.faults.redis.url,
            retry=AsyncRetry(NoBackoff(), 0),
            socket_timeout=self.patience,
            socket_connect_timeout=self.patience,
            decode_responses=True,
        )
        await self.client.ping()

    async def ask(self) -> str:
        return str(await self.client.echo("pong"))

    async def close(self) -> None:
        await self.client.aclose()


class PsycopgSync(Client):
    """psycopg."""

    lost = (psycopg.OperationalError,)
    refused = (psycopg.OperationalError,)
    server = "postgres"
    connection: psycopg.Connection[Any] | None = None

    async def open(self) -> None:
        self.connection = psycopg.connect(self.faults.postgres.url("libpq"), autocommit=True)

    async def ask(self) -> str:
        assert self.connection is not None
        row = self.connection.execute("SELECT 'pong'").fetchone()
        assert row is not None
        return str(row[0])

    async def close(self) -> None:
        if self.connection is not None:
            self.connection.close()


class PsycopgAsync(Client):
    """psycopg's AsyncConnection; its time is limited from outside."""

    lost = (psycopg.OperationalError,)
    refused = (psycopg.OperationalError,)
    late = (TimeoutError,)
    server = "postgres"
    connection: psycopg.AsyncConnection[Any] | None = None

    async def open(self) -> None:
        url = self.faults.postgres.url("libpq")
        async with asyncio.timeout(self.patience):
            self.connection = await psycopg.AsyncConnection.connect(url, autocommit=True)

    async def ask(self) -> str:
        assert self.connection is not None
        cursor = await self.connection.execute("SELECT 'pong'")
        row = await cursor.fetchone()
        assert row is not None
        return str(row[0])

    async def close(self) -> None:
        if self.connection is not None:
            await self.connection.close()


class Asyncpg(Client):
    """asyncpg."""

    lost = (asyncpg.ConnectionDoesNotExistError, asyncpg.InterfaceError, ConnectionError)
    refused = (ConnectionRefusedError,)
    late = (TimeoutError,)
    server = "postgres"
    connection: Any = None

    async def open(self) -> None:
        url = self.faults.postgres.url("libpq")
        self.connection = await asyncpg.connect(
            url, timeout=self.patience, command_timeout=self.patience
        )

    async def ask(self) -> str:
        return str(await self.connection.fetchval("SELECT 'pong'"))

    async def close(self) -> None:
        if self.connection is not None:
            self.connection.terminate()


CLIENTS: Final[tuple[type[Client], ...]] = (
    RedisSync,
    RedisAsync,
    PsycopgSync,
    PsycopgAsync,
    Asyncpg,
)
