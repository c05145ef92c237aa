"""Deadlines of drivers and pools keep real time: they end while the clock stands, and no sooner."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import asyncpg
import psycopg
import psycopg_pool
import pytest
import redis
import sqlalchemy
from redis.backoff import NoBackoff
from redis.retry import Retry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.clock import Clock
    from testkit.isolation.database import Database
    from testkit.servers.redis import RedisServer


@pytest.fixture
def frozen(clock: Clock) -> Iterator[float]:
    """Everything stands; the value is the real time at which it began to."""
    with clock.freeze("2030-01-01"):
        yield _real()


def _real() -> float:
    return time.clock_gettime(time.CLOCK_MONOTONIC)


def test_of_psycopg_pool(frozen: float, database: Database) -> None:
    with psycopg_pool.ConnectionPool(
        database.url(driver="libpq"), min_size=1, max_size=1, open=True
    ) as pool:
        taken = pool.getconn()
        with pytest.raises(psycopg_pool.PoolTimeout):
            pool.getconn(timeout=0.02)
        pool.putconn(taken)

    assert _real() - frozen >= 0.02


def test_of_sqlalchemy_pools(frozen: float, database: Database) -> None:
    engine = sqlalchemy.create_engine(
        database.url(), pool_size=1, max_overflow=0, pool_timeout=0.02
    )
    with engine.connect(), pytest.raises(sqlalchemy.exc.TimeoutError):
        engine.connect()
    engine.dispose()

    assert _real() - frozen >= 0.02


def test_of_redis_locks(frozen: float, redis_client: redis.Redis) -> None:
    redis_client.set("lock", "held")
    lock = redis_client.lock("lock", sleep=0.005, blocking_timeout=0.02)

    assert lock.acquire() is False
    assert _real() - frozen >= 0.015


def test_of_redis_sockets(frozen: float, redis_server: RedisServer) -> None:
    with redis.Redis.from_url(
        redis_server.url, socket_timeout=0.02, retry=Retry(NoBackoff(), 0)
    ) as client:
        client.ping()
        with pytest.raises(redis.exceptions.TimeoutError):
            client.blpop(["nothing"], timeout=1)

    assert _real() - frozen >= 0.02


def test_of_statements_of_psycopg(frozen: float, database: Database) -> None:
    with psycopg.connect(database.url(driver="libpq"), connect_timeout=5) as connection:
        connection.execute("SET statement_timeout = 20")
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("SELECT pg_sleep(5)")

    assert _real() - frozen >= 0.02


async def test_of_commands_of_asyncpg(frozen: float, database: Database) -> None:
    connection = await asyncpg.connect(database.url(driver="libpq"))
    with pytest.raises(TimeoutError):
        await connection.execute("SELECT pg_sleep(5)", timeout=0.02)
    await connection.close()

    assert _real() - frozen >= 0.02


async def test_of_asynchronous_psycopg_pools(frozen: float, database: Database) -> None:
    async with (
        psycopg_pool.AsyncConnectionPool(
            database.url(driver="libpq"), min_size=1, max_size=1, open=False
        ) as pool,
        pool.connection() as connection,
    ):
        await connection.execute("SELECT 1")
        with pytest.raises(psycopg_pool.PoolTimeout):
            # Nothing is in flight here: the wait is the event loop's, and jumps.
            await pool.getconn(timeout=3600)

    assert _real() - frozen < 600
