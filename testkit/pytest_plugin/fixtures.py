"""Every fixture of testkit. A fixture of the same name in a user's conftest wins."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from testkit.pytest_plugin.session import PluginSession, key, plain_errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    import redis
    import redis.asyncio
    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm import Session

    from testkit.clock import Clock
    from testkit.core.naming import UniqueNames
    from testkit.faults.faults import Faults
    from testkit.isolation.database import Database
    from testkit.servers.postgres import PostgresServer
    from testkit.servers.redis import RedisServer

__all__ = [
    "async_db_session",
    "async_redis_client",
    "clock",
    "database",
    "db_session",
    "faults",
    "postgres_server",
    "redis_client",
    "redis_server",
    "testkit_closing",
    "unique",
]


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> PostgresServer:
    """The run's Postgres: ``url``, ``version``, ``backend``, ``reason``, ``shell_command``."""
    with plain_errors():
        return _session(pytestconfig).worker.ensure_postgres()


@pytest.fixture(scope="session")
def redis_server(pytestconfig: pytest.Config) -> RedisServer:
    """This worker's Redis: ``url``, ``version``, ``backend``, ``reason``, ``shell_command``."""
    with plain_errors():
        return _session(pytestconfig).worker.ensure_redis()


@pytest.fixture(scope="session")
def database(pytestconfig: pytest.Config) -> Database:
    """This worker's database: ``url(driver=…)``, ``engine``, ``async_engine``, sessions.

    Commit as production does: what a test committed is undone after it, what a wider-scoped fixture
    committed when that one ends.
    """
    with plain_errors():
        return _session(pytestconfig).worker.ensure_database()


@pytest.fixture
def db_session(database: Database) -> Iterator[Session]:
    """A Session on this test's database; it is closed after the test."""
    session = database.session()
    yield session
    database.close_session(session)


@pytest.fixture
def async_db_session(request: pytest.FixtureRequest, database: Database) -> AsyncSession:
    """An AsyncSession on this test's database; it is closed after the test, in the test's loop."""
    from testkit.pytest_plugin.closing import close_after_test

    session = database.async_session()
    close_after_test(
        request,
        lambda: database.close_async_session(session),
        database.async_engine.dispose,
        otherwise=database.drop_async_connections,
    )
    return session


@pytest.fixture
def redis_client(redis_server: RedisServer) -> Iterator[redis.Redis]:
    """A redis-py client on this test's own keyspace; answers are bytes."""
    import redis

    with redis.Redis.from_url(redis_server.url) as client:
        yield client


@pytest.fixture
def async_redis_client(
    request: pytest.FixtureRequest, redis_server: RedisServer
) -> redis.asyncio.Redis:
    """An asynchronous redis-py client on this test's own keyspace; answers are bytes.

    Closed after the test under pytest-asyncio and anyio; in a loop of your own, close it there.
    """
    import redis.asyncio

    from testkit.pytest_plugin.closing import close_after_test

    client = redis.asyncio.Redis.from_url(redis_server.url)
    close_after_test(request, client.aclose)
    return client


@pytest.fixture
def faults(request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> Faults:
    """What a network does: ``faults.redis``, ``faults.postgres``, ``faults.proxy``, ``faults.log``.

    Relays in front of this worker's servers, gone with the test; a fault that was declared and
    never struck fails it.
    """
    session = _session(pytestconfig)
    with plain_errors():
        return session.worker.ensure_faulting().begin(request.node, session.mode(request.node))


@pytest.fixture
def clock(request: pytest.FixtureRequest) -> Iterator[Clock]:
    """Wall, monotonic and event-loop time: ``freeze``, ``advance``, ``await run_for``.

    Everything is put back after the test. Moving hands that nobody reads fails the test.
    """
    with plain_errors():
        from testkit.clock import Clock

        clock = Clock()
    clock.begin()
    try:
        yield clock
    finally:
        clock.end()
    from testkit.pytest_plugin.clock_use import tell_of_clock

    tell_of_clock(request.node, clock, failed=_session(request.config).failed)


@pytest.fixture
def unique(pytestconfig: pytest.Config) -> UniqueNames:
    """``unique("module")`` draws a name that no other test, worker, process or rerun will draw."""
    return _session(pytestconfig).draws().name


@pytest.fixture
async def testkit_closing() -> AsyncIterator[AsyncExitStack]:
    """Close, in the test's own loop, what the asynchronous fixtures opened (used under anyio)."""
    async with AsyncExitStack() as stack:
        yield stack


def _session(config: pytest.Config) -> PluginSession:
    return config.stash[key]
