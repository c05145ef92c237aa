"""What the pools of drivers hand out while they are followed."""

from __future__ import annotations

import asyncio
import threading
import weakref
from typing import TYPE_CHECKING, Any

import asyncpg
import psycopg_pool
import pytest
import pytest_asyncio
import sqlalchemy as sa

from testkit.core.addresses import NOWHERE
from testkit.core.messages import TestkitError
from testkit.isolation.database import Database
from tests.support.driver_pools import DRIVERS, POOLS, DriverPool, Psycopg
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from testkit.core.current import Periods
    from testkit.isolation.followed_pools import FollowedPools
    from testkit.isolation.pools import PoolWatch
    from testkit.servers.postgres import PostgresServer

PID = "SELECT pg_backend_pid()"
STATE = """
    SELECT concat_ws(' ', current_setting('shop.configured', true), current_setting('work_mem'),
                     (SELECT count(*) FROM pg_listening_channels()),
                     to_regclass('pg_temp.basket'), current_setting('role'))
"""
AT_FIRST = "yes 4MB 0 none"


@pytest.fixture
def followed(watch: PoolWatch) -> FollowedPools:
    return watch.followed


@pytest.fixture
def url(database: Database) -> str:
    return database.url("libpq")


@pytest_asyncio.fixture(params=DRIVERS)
async def pool(
    request: pytest.FixtureRequest, url: str, followed: FollowedPools
) -> AsyncIterator[DriverPool]:
    pool: DriverPool = POOLS[request.param]()
    await pool.open(url)
    followed.follow(pool.pool)
    yield pool
    await pool.close()


async def test_a_connection_is_kept_within_a_period(pool: DriverPool) -> None:
    assert await pool.do(PID) == await pool.do(PID)


async def test_nothing_of_one_period_is_handed_out_in_the_next(
    pool: DriverPool, periods: Periods
) -> None:
    for statement in ("SET work_mem = '9MB'", "LISTEN news", "SET ROLE pg_monitor"):
        await pool.do(statement)
    await pool.do("CREATE TEMPORARY TABLE basket ()")
    periods.turn()

    assert await pool.do(STATE) == AT_FIRST


async def test_what_was_done_before_it_was_followed_is_not_handed_out(
    url: str, followed: FollowedPools
) -> None:
    pool = Psycopg()
    await pool.open(url)
    await pool.do("SET work_mem = '9MB'")
    followed.follow(pool.pool)

    assert await pool.do(STATE) == AT_FIRST
    await pool.close()


async def test_a_connection_to_a_database_that_was_replaced_is_not_handed_out(
    pool: DriverPool, watch: PoolWatch, postgres_server: PostgresServer
) -> None:
    before = await pool.do(PID)
    with postgres_server.connect() as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 5000)", (before,))
    watch.replaced()

    assert await pool.do(PID) != before


async def test_a_connection_that_died_while_the_pool_made_it_is_not_handed_out(
    url: str, followed: FollowedPools, postgres_server: PostgresServer, periods: Periods
) -> None:
    made: list[int] = []
    goes_on = threading.Event()

    def configure(connection: Any) -> None:
        made.append(connection.info.backend_pid)
        goes_on.wait()

    with psycopg_pool.ConnectionPool(url, min_size=1, configure=configure, open=True) as pool:
        followed.follow(pool)
        taking = asyncio.create_task(asyncio.to_thread(pool.getconn))
        await asyncio.to_thread(wait_until, lambda: made)
        with postgres_server.connect() as connection:
            connection.execute("SELECT pg_terminate_backend(%s, 5000)", (made[0],))
        goes_on.set()
        taken = await taking

        assert taken.execute(PID).fetchone() != (made[0],)
        pool.putconn(taken)


async def test_what_somebody_holds_stays_his_and_is_handed_to_nobody_after_him(
    pool: DriverPool, periods: Periods
) -> None:
    held = await pool.take()
    before = await pool.run(held, PID)
    await pool.run(held, "SET work_mem = '9MB'")
    periods.turn()

    assert await pool.run(held, "SHOW work_mem") == "9MB"
    await pool.give(held)
    assert (await pool.do(PID) != before, await pool.do(STATE)) == (True, AT_FIRST)


@pytest.mark.parametrize("driver", DRIVERS)
async def test_nor_to_anybody_who_came_before_it_was_returned(
    driver: str, url: str, followed: FollowedPools, periods: Periods
) -> None:
    pool: DriverPool = POOLS[driver]()
    await pool.open(url, size=2)
    followed.follow(pool.pool)
    held = await pool.take()
    before = await pool.run(held, PID)
    periods.turn()
    await pool.do(PID)
    await pool.give(held)
    both = [await pool.take() for _ in range(2)]

    assert before not in [await pool.run(each, PID) for each in both]
    for each in both:
        await pool.give(each)
    await pool.close()


async def test_what_is_not_returned_is_told_and_its_place_in_the_pool_is_free_again(
    pool: DriverPool, watch: PoolWatch, followed: FollowedPools, periods: Periods
) -> None:
    period = periods.now
    watch.note_others()
    left = await asyncio.create_task(pool.take())
    pid = await pool.run(left, PID)
    periods.turn()

    assert "driver_pools.py" in watch.origin(pid)
    assert followed.take_back(period) == [pid]
    assert await pool.do(PID) != pid
    await pool.give(left)  # by somebody who comes too late
    assert watch.kept(period, seconds=0) == []


async def test_what_is_returned_is_not_told(
    pool: DriverPool, watch: PoolWatch, periods: Periods
) -> None:
    watch.note_others()
    pid = await pool.do(PID)

    assert watch.kept(periods.now, seconds=0) == []
    assert watch.origin(pid) == ""


async def test_a_lock_on_a_connection_that_lies_in_the_pool_may_be_ended(
    url: str, watch: PoolWatch, followed: FollowedPools
) -> None:
    pool = Psycopg()
    await pool.open(url)
    followed.follow(pool.pool)
    pid = await pool.do(PID)
    held = await pool.take()

    assert watch.withdraw([pid]) == []
    await pool.give(held)
    assert watch.withdraw([pid]) == [pid]
    await pool.close()


async def test_other_pools_and_those_followed_no_more_do_as_their_driver_made_them(
    url: str, followed: FollowedPools, periods: Periods
) -> None:
    pool, other = Psycopg(), Psycopg()
    for each in (pool, other):
        await each.open(url)
    followed.follow(pool.pool)
    before = [await each.do(PID) for each in (pool, other)]
    followed.stop()
    periods.turn()

    assert [await each.do(PID) for each in (pool, other)] == before
    assert type(other.pool) is psycopg_pool.ConnectionPool
    for each in (pool, other):
        await each.close()


def test_a_pool_is_followed_once(url: str, followed: FollowedPools) -> None:
    pool = psycopg_pool.ConnectionPool(url, open=False)
    followed.follow(pool)
    once = type(pool)
    followed.follow(pool)

    assert type(pool) is once
    assert isinstance(pool, psycopg_pool.ConnectionPool)
    assert repr(pool).startswith("<psycopg_pool.pool.ConnectionPool 'pool-")


def test_a_pool_that_nobody_has_any_more_is_forgotten(url: str, followed: FollowedPools) -> None:
    pool = psycopg_pool.ConnectionPool(url, min_size=0, max_size=1, open=False)
    followed.follow(pool)
    seen = weakref.ref(pool)
    del pool

    assert seen() is None


def test_an_engine_whose_connections_come_from_a_pool_is_followed_with_it(
    url: str, followed: FollowedPools, watch: PoolWatch, periods: Periods
) -> None:
    with psycopg_pool.ConnectionPool(url, min_size=2, close_returns=True, open=True) as pool:
        # It keeps the method that the pool had before it was followed.
        engine = sa.create_engine(
            "postgresql+psycopg://", creator=pool.getconn, poolclass=sa.NullPool
        )
        followed.follow(pool)
        seen = []
        for _ in range(3):
            watch.note_others()
            with engine.begin() as connection:
                seen.append(connection.scalar(sa.text("SHOW work_mem")))
                connection.execute(sa.text("SET work_mem = '9MB'"))
            seen.append(watch.kept(periods.now, seconds=0))
            periods.turn()

        assert seen == ["4MB", [], "4MB", [], "4MB", []]


async def test_a_method_that_was_kept_from_before_is_followed_too(
    url: str, followed: FollowedPools, periods: Periods
) -> None:
    async with asyncpg.create_pool(url, min_size=1, max_size=1) as pool:
        acquire = pool.acquire
        followed.follow(pool)
        seen = []
        for _ in range(2):
            async with acquire() as connection:
                seen.append(await connection.fetchval(PID))
            periods.turn()

        assert seen[0] != seen[1]


def test_a_connection_that_its_close_returns_is_returned(
    url: str, followed: FollowedPools, watch: PoolWatch, periods: Periods
) -> None:
    watch.note_others()
    with psycopg_pool.ConnectionPool(url, min_size=1, close_returns=True, open=True) as pool:
        followed.follow(pool)
        for _ in range(2):
            pool.getconn(timeout=5).close()

        assert watch.kept(periods.now, seconds=0) == []


def test_a_pool_that_keeps_no_connection_is_followed_too(
    url: str, followed: FollowedPools, watch: PoolWatch, periods: Periods
) -> None:
    watch.note_others()
    with psycopg_pool.NullConnectionPool(url, max_size=1, open=True) as pool:
        followed.follow(pool)
        left = pool.getconn(timeout=5)
        pid = left.info.backend_pid
        kept = followed.take_back(periods.now)
        periods.turn()

        assert kept == [pid]
        with pool.connection(timeout=5) as connection:
            assert connection.info.backend_pid != pid


async def test_asyncpg_answers_acquire_as_ever(url: str, followed: FollowedPools) -> None:
    async with asyncpg.create_pool(url, min_size=1, max_size=1) as pool:
        followed.follow(pool)
        async with pool.acquire() as connection:
            inside = await connection.fetchval(PID)
        awaited = await pool.acquire(timeout=5)
        await pool.release(awaited, timeout=5)

        assert inside == await pool.fetchval(PID)


def test_anything_else_is_TK361(database: Database) -> None:  # noqa: N802 - the code's own name
    engine = sa.create_engine(database.url())

    for wrong in (engine, engine.pool, object(), None):
        with pytest.raises(
            TestkitError, match=r"TK361: database\.follow was called with an object"
        ):
            database.follow(wrong)


def test_without_isolation_a_pool_is_looked_at_and_left_alone(url: str) -> None:
    pool = psycopg_pool.ConnectionPool(url, open=False)
    Database(NOWHERE["database"]).follow(pool)

    assert type(pool) is psycopg_pool.ConnectionPool
    with pytest.raises(TestkitError, match="TK361"):
        Database(NOWHERE["database"]).follow(object())
