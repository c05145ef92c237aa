"""Pooled connections are exchanged when the database behind them was replaced, and only then."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import StaticPool

from testkit.core.current import Periods
from testkit.isolation.pools import PoolWatch
from tests.support.journalled import Journalled, journalled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.servers.postgres import PostgresServer

PID = sa.text("SELECT pg_backend_pid()")


LOCK = sa.text("SELECT pg_advisory_lock(42)")
SCHEMAS = sa.text("SHOW search_path")


@pytest.fixture
def elsewhere() -> Iterator[PoolWatch]:
    """A watch over a server that is not the one in use."""
    watch = PoolWatch(1, Periods())
    watch.start()
    yield watch
    watch.stop()


@pytest.fixture(scope="module")
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


def schemas(engine: sa.Engine) -> str:
    with engine.connect() as connection:
        return str(connection.execute(SCHEMAS).scalar_one())


def outlive(engine: sa.Engine, periods: Periods) -> None:
    """Let the pool be one that has been used in two tests: from now on its sessions are put back."""
    pid(engine)
    periods.turn()
    pid(engine)


def set_schemas(engine: sa.Engine, names: str) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text(f"SET search_path = {names}"))


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


def test_a_connection_that_was_made_before_the_watch_began_is_exchanged_once(
    engine: sa.Engine, postgres_server: PostgresServer
) -> None:
    before = pid(engine)
    watch = PoolWatch(postgres_server.port, Periods())
    watch.start()
    try:
        after = pid(engine)

        assert before != after
        assert pid(engine) == after
    finally:
        watch.stop()


def test_a_connection_that_somebody_may_hold_since_before_the_watch_is_left_alone(
    throwaway: Journalled, postgres_server: PostgresServer
) -> None:
    url = throwaway.server.address(throwaway.name).url()
    engine = sa.create_engine(url, poolclass=StaticPool)
    with engine.connect() as connection:
        before = connection.execute(PID).scalar_one()
        watch = PoolWatch(postgres_server.port, Periods())
        watch.start()
        after = pid(engine)
        watch.stop()
    engine.dispose()

    assert before == after


def test_a_session_is_put_back_once_a_test(
    watch: PoolWatch, engine: sa.Engine, periods: Periods
) -> None:
    schemas(engine)
    periods.turn()
    set_schemas(engine, "test")

    assert schemas(engine) == "test"


def test_what_a_fixture_does_in_a_period_of_its_own_does_not_reach_the_test_around_it(
    watch: PoolWatch, engine: sa.Engine, periods: Periods
) -> None:
    with periods.apart():
        set_schemas(engine, "fixture")

    assert schemas(engine) == '"$user", public'


def test_a_test_keeps_its_session_state_where_a_fixture_has_not_used_that_connection(
    watch: PoolWatch, engine: sa.Engine, periods: Periods
) -> None:
    set_schemas(engine, "test")
    with periods.apart():
        pass

    assert schemas(engine) == "test"


def test_a_connection_that_is_held_meanwhile_is_put_back_when_it_is_checked_out_again(
    watch: PoolWatch, engine: sa.Engine, periods: Periods
) -> None:
    outlive(engine, periods)
    with engine.begin() as connection:
        connection.execute(sa.text("SET search_path = fixture"))
        connection.execute(LOCK)
        holder = connection.execute(PID).scalar_one()
        periods.turn()

        assert connection.execute(SCHEMAS).scalar_one() == "fixture"
        assert watch.withdraw([holder]) == []

    assert schemas(engine) == '"$user", public'
    assert pid(engine) == holder


def test_a_connection_that_two_hold_is_left_alone_until_the_first_returns_it(
    watch: PoolWatch, throwaway: Journalled, periods: Periods
) -> None:
    url = throwaway.server.address(throwaway.name).url()
    engine = sa.create_engine(url, poolclass=StaticPool)
    with engine.begin() as fixture:
        fixture.execute(sa.text("SET search_path = fixture"))
        fixture.execute(sa.text("COMMIT"))  # StaticPool rolls back when the second one returns it
        periods.turn()
        during = schemas(engine)
        periods.turn()
        still = schemas(engine)
    periods.turn()
    after = schemas(engine)
    engine.dispose()

    assert (during, still, after) == ("fixture", "fixture", '"$user", public')


def test_what_the_application_sets_at_each_checkout_is_set_behind_the_putting_back(
    watch: PoolWatch, engine: sa.Engine, periods: Periods
) -> None:
    def use_schema(connection: psycopg.Connection, _entry: object, _proxy: object) -> None:
        connection.execute("SET search_path = tenant")
        connection.commit()

    sa.event.listen(engine, "checkout", use_schema)
    seen = []
    for _ in range(3):
        seen.append(schemas(engine))
        periods.turn()

    assert seen == ["tenant"] * 3


def test_a_backend_that_lies_in_a_pool_is_withdrawn_and_not_handed_out_again(
    watch: PoolWatch, engine: sa.Engine, throwaway: Journalled
) -> None:
    holder = pid(engine)
    withdrawn = watch.withdraw([holder, 1])

    assert withdrawn == [holder]
    assert pid(engine) != holder


def test_a_backend_whose_connection_is_closed_or_dead_is_not_withdrawn(
    watch: PoolWatch, engine: sa.Engine, throwaway: Journalled
) -> None:
    closed = pid(engine)
    engine.dispose()
    dead = pid(engine)
    watch.replaced()

    assert watch.withdraw([closed, dead]) == []


def test_a_lock_that_the_application_takes_at_connect_is_its_own(
    watch: PoolWatch, engine: sa.Engine, periods: Periods
) -> None:
    def lock(connection: psycopg.Connection, _entry: object) -> None:
        connection.execute("SELECT pg_advisory_lock_shared(42)")
        connection.commit()

    sa.event.listen(engine, "connect", lock)
    outlive(engine, periods)

    assert watch.withdraw([pid(engine)]) == []


def test_a_checkout_that_is_not_returned_is_kept_by_its_period_and_says_where_it_was_made(
    watch: PoolWatch, engine: sa.Engine, periods: Periods
) -> None:
    periods.turn()
    test = periods.now
    with engine.connect() as connection:
        pid = connection.connection.dbapi_connection.info.backend_pid  # type: ignore[union-attr]
        kept = [watch.kept(test, seconds=0), watch.kept(test - 1, seconds=0)]
        origin = watch.origin(pid)
    kept.append(watch.kept(test, seconds=0))

    assert kept == [[pid], [], []]
    assert "checked out at " in origin
    assert "test_pools.py:" in origin
    assert watch.origin(pid) == ""


def test_a_pool_of_psycopg_is_put_back_in_whichever_loop_it_is_used(
    watch: PoolWatch, throwaway: Journalled, periods: Periods
) -> None:
    engine = create_async_engine(throwaway.server.address(throwaway.name).url())

    async def found() -> str:
        async with engine.begin() as connection:
            found = (await connection.execute(SCHEMAS)).scalar_one()
            await connection.execute(sa.text("SET search_path = test"))
            return str(found)

    first = asyncio.run(found())
    periods.turn()
    second = asyncio.run(found())
    asyncio.run(engine.dispose())

    assert first == second == '"$user", public'


def test_a_watch_that_was_stopped_exchanges_nothing(
    engine: sa.Engine, postgres_server: PostgresServer
) -> None:
    watch = PoolWatch(postgres_server.port, Periods())
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
        working = len(watch.others())
        go_on.set()
        runner.run(asyncio.wait_for(task, 60))
        idle = len(watch.others())
        runner.run(later.dispose())
    at_once.dispose()

    assert (working, idle, watch.others()) == (1, 0, set())
