"""Pooled connections are exchanged when the database behind them was replaced, and only then."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import StaticPool

from testkit.isolation.pools import PoolWatch
from tests.support.journalled import Journalled, journalled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.servers.postgres import PostgresServer

PID = sa.text("SELECT pg_backend_pid()")


@pytest.fixture
def watch(postgres_server: PostgresServer) -> Iterator[PoolWatch]:
    watch = PoolWatch(postgres_server.port)
    watch.start()
    yield watch
    watch.stop()


@pytest.fixture
def elsewhere() -> Iterator[PoolWatch]:
    """A watch over a server that is not the one in use."""
    watch = PoolWatch(1)
    watch.start()
    yield watch
    watch.stop()


@pytest.fixture
def throwaway(postgres_server: PostgresServer) -> Iterator[Journalled]:
    with journalled(postgres_server) as database:
        yield database


@pytest.fixture(params=["psycopg", "libpq with an application name"])
def engine(throwaway: Journalled, request: pytest.FixtureRequest) -> Iterator[sa.Engine]:
    url = sa.make_url(throwaway.server.address(throwaway.name).url())
    if request.param != "psycopg":
        url = url.update_query_dict({"application_name": "shop"})
    engine = sa.create_engine(url, pool_size=2)
    yield engine
    engine.dispose()


def pid(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(PID).scalar_one())


def test_a_connection_is_kept_while_nothing_was_replaced(
    watch: PoolWatch, engine: sa.Engine
) -> None:
    assert pid(engine) == pid(engine)


def test_a_connection_older_than_a_replacement_is_exchanged_once(
    watch: PoolWatch, engine: sa.Engine
) -> None:
    before = pid(engine)
    watch.replaced()
    after = pid(engine)

    assert before != after
    assert pid(engine) == after


def test_every_connection_of_a_pool_is_exchanged(watch: PoolWatch, engine: sa.Engine) -> None:
    with engine.connect() as one, engine.connect() as two:
        before = {one.execute(PID).scalar_one(), two.execute(PID).scalar_one()}
    watch.replaced()
    with engine.connect() as one, engine.connect() as two:
        after = {one.execute(PID).scalar_one(), two.execute(PID).scalar_one()}

    assert len(before | after) == 4


def test_a_connection_that_the_server_ended_is_not_seen_by_the_application(
    watch: PoolWatch, engine: sa.Engine, throwaway: Journalled
) -> None:
    before = pid(engine)
    with throwaway.server.connect() as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 5000)", (before,))
    watch.replaced()

    assert pid(engine) != before


def test_a_connection_that_is_checked_out_meanwhile_is_exchanged_at_its_next_checkout(
    watch: PoolWatch, engine: sa.Engine
) -> None:
    with engine.connect() as connection:
        before = connection.execute(PID).scalar_one()
        watch.replaced()

        assert connection.execute(PID).scalar_one() == before

    assert pid(engine) != before


def test_a_pool_that_was_filled_before_the_watch_began_still_works(
    engine: sa.Engine, postgres_server: PostgresServer
) -> None:
    before = pid(engine)
    watch = PoolWatch(postgres_server.port)
    watch.start()
    try:
        assert pid(engine) == before
    finally:
        watch.stop()


def test_a_watch_that_was_stopped_exchanges_nothing(
    engine: sa.Engine, postgres_server: PostgresServer
) -> None:
    watch = PoolWatch(postgres_server.port)
    watch.start()
    before = pid(engine)
    watch.replaced()
    watch.stop()

    assert pid(engine) == before


def test_connections_to_other_servers_are_left_alone(
    elsewhere: PoolWatch, engine: sa.Engine
) -> None:
    before = pid(engine)
    elsewhere.replaced()

    assert pid(engine) == before


def test_the_rows_of_sqlite_in_memory_survive(watch: PoolWatch) -> None:
    engine = sa.create_engine("sqlite://", poolclass=StaticPool)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE t (id int)"))
    watch.replaced()
    with engine.connect() as connection:
        tables = sa.inspect(connection).get_table_names()
    engine.dispose()

    assert tables == ["t"]


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_an_asynchronous_pool_is_exchanged_in_its_own_loop(
    watch: PoolWatch, throwaway: Journalled, driver: str
) -> None:
    async def pids() -> list[int]:
        engine = create_async_engine(throwaway.server.address(throwaway.name).url(driver))
        found = []
        for turn in range(4):
            if turn == 2:
                watch.replaced()
            async with engine.connect() as connection:
                found.append((await connection.execute(PID)).scalar_one())
        await engine.dispose()
        return found

    first, second, third, fourth = asyncio.run(pids())

    assert first == second != third == fourth


def test_another_driver_s_own_connections_are_not_touched(
    watch: PoolWatch, throwaway: Journalled
) -> None:
    url = throwaway.server.address(throwaway.name).url("libpq")
    with psycopg.connect(url) as connection:
        watch.replaced()

        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_only_a_connection_that_a_task_may_go_on_with_is_suspended(
    watch: PoolWatch, throwaway: Journalled, driver: str
) -> None:
    address = throwaway.server.address(throwaway.name)
    at_once, later = sa.create_engine(address.url()), create_async_engine(address.url(driver))
    at_work, go_on = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        async with later.connect():
            at_once.connect().close()  # made inside the loop, but no part of it
            at_work.set()
            await go_on.wait()

    with asyncio.Runner() as runner:
        task = runner.get_loop().create_task(work())
        runner.run(at_work.wait())
        working = len(watch.suspended())
        go_on.set()
        runner.run(asyncio.wait_for(task, 60))
        idle = len(watch.suspended())
        runner.run(later.dispose())
    at_once.dispose()

    assert (working, idle, watch.suspended()) == (1, 0, set())
