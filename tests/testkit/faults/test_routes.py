"""Engines and clients that were there before are led through a relay, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import redis
import redis.asyncio
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine

from testkit.core.messages import TestkitError
from testkit.isolation.connections import own_port, server_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

    from testkit.faults.faults import Faults
    from testkit.isolation.database import Database
    from testkit.servers.postgres import PostgresServer
    from testkit.servers.redis import RedisServer


@pytest.fixture
def engine(database: Database) -> Iterator[Engine]:
    made = create_engine(database.url())
    yield made
    made.dispose()


def port_of(engine: Engine) -> int | None:
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        return own_port(connection.connection.dbapi_connection)


def test_an_engine_with_a_pooled_connection_is_led(faults: Faults, engine: Engine) -> None:
    before = port_of(engine)
    faults.postgres.route(engine)

    assert (before, port_of(engine)) == (faults.postgres.behind.port, faults.postgres.port)


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
async def test_an_asynchronous_engine_is_led(
    faults: Faults, database: Database, driver: str
) -> None:
    engine = create_async_engine(database.url(driver))
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
    faults.postgres.route(engine)
    async with engine.connect() as connection:
        raw = await connection.get_raw_connection()
        port = own_port(raw.dbapi_connection)
    await engine.dispose()

    assert port == faults.postgres.port


def test_a_connection_through_a_relay_is_known_by_its_server(
    faults: Faults, postgres_server: PostgresServer
) -> None:
    engine = create_engine(faults.postgres.url())
    with engine.connect() as connection:
        port = server_port(connection.connection.dbapi_connection)
    engine.dispose()

    assert port == postgres_server.port


def test_statements_through_a_relay_are_recorded(faults: Faults, database: Database) -> None:
    engine = create_engine(faults.postgres.url())
    with database.queries.record() as seen, engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    engine.dispose()

    assert len(seen) == 1


def test_a_client_of_redis_is_led(faults: Faults, redis_client: redis.Redis) -> None:
    redis_client.ping()
    faults.redis.route(redis_client)
    with faults.redis.latency(0.001) as fault:
        redis_client.ping()

    assert fault.struck >= 2


async def test_an_asynchronous_client_of_redis_is_led(
    faults: Faults, async_redis_client: redis.asyncio.Redis
) -> None:
    await async_redis_client.ping()
    faults.redis.route(async_redis_client)
    with faults.redis.latency(0.001) as fault:
        await async_redis_client.ping()

    assert fault.struck >= 2


@pytest.mark.parametrize(
    "options", [{}, {"single_connection_client": True}], ids=["pool", "single"]
)
def test_a_client_with_a_blocking_pool_or_none_is_led(
    faults: Faults, redis_server: RedisServer, options: dict[str, Any]
) -> None:
    pool = redis.BlockingConnectionPool.from_url(redis_server.url)
    with redis.Redis(connection_pool=pool, **options) as client:
        client.ping()
        faults.redis.route(client)
        with faults.redis.latency(0.001) as fault:
            client.ping()

    assert fault.struck >= 2


def test_what_leads_elsewhere_cannot_be_led(faults: Faults, redis_server: RedisServer) -> None:
    elsewhere = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none")
    with pytest.raises(TestkitError, match=r"TK601: faults\.postgres\.route\(\): the engine leads"):
        faults.postgres.route(elsewhere)
    with pytest.raises(TestkitError, match=r"TK601: .* is neither an Engine nor"):
        faults.postgres.route(redis_server)
    with pytest.raises(TestkitError, match=r"TK601: .* is no client of redis-py"):
        faults.redis.route(elsewhere)
