"""An application's asynchronous engine is used in any event loop, and leaves nothing in those that ended."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tests.support.journalled import Journalled, journalled
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.isolation.pools import PoolWatch
    from testkit.servers.postgres import PostgresServer

PID = sa.text("SELECT pg_backend_pid()")


@pytest.fixture
def database(postgres_server: PostgresServer, watch: PoolWatch) -> Iterator[Journalled]:
    with journalled(postgres_server) as database:
        yield database


@pytest.fixture(params=["asyncpg", "psycopg"])
def engine(database: Journalled, request: pytest.FixtureRequest) -> AsyncEngine:
    return create_async_engine(database.server.address(database.name).url(request.param))


def sessions(database: Journalled) -> int:
    """Return how many sessions there are besides testkit's own."""
    ((count,),) = database.reset.ask(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid()"
    )
    return int(count)


async def pids(engine: AsyncEngine) -> set[int]:
    async with engine.connect() as one, engine.connect() as other:
        return {(await each.execute(PID)).scalar_one() for each in (one, other)}


def test_one_loop_after_the_other(database: Journalled, engine: AsyncEngine) -> None:
    for _ in range(3):
        assert len(asyncio.run(pids(engine))) == 2

        wait_until(lambda: sessions(database) <= 2)
    asyncio.run(engine.dispose())
    wait_until(lambda: sessions(database) == 0)


def test_a_loop_that_goes_on_beside_others(database: Journalled, engine: AsyncEngine) -> None:
    with asyncio.Runner() as runner:
        for _ in range(2):
            assert len(runner.run(pids(engine))) == 2
            assert len(asyncio.run(pids(engine))) == 2
    asyncio.run(engine.dispose())


def test_a_loop_in_another_thread(database: Journalled, engine: AsyncEngine) -> None:
    met, go_on = threading.Event(), threading.Event()
    found: list[set[int]] = []

    async def stay() -> None:
        found.append(await pids(engine))
        met.set()
        await asyncio.to_thread(go_on.wait)
        found.append(await pids(engine))
        await engine.dispose()

    thread = threading.Thread(target=asyncio.run, args=(stay(),))
    thread.start()
    met.wait()
    assert len(asyncio.run(pids(engine))) == 2
    go_on.set()
    thread.join()

    assert [len(each) for each in found] == [2, 2]


def test_a_loop_that_was_closed_without_being_shut_down(
    database: Journalled, engine: AsyncEngine
) -> None:
    loop = asyncio.new_event_loop()
    loop.run_until_complete(pids(engine))
    loop.close()

    assert len(asyncio.run(pids(engine))) == 2
    asyncio.run(engine.dispose())
    wait_until(lambda: sessions(database) == 0)


def test_a_loop_s_end_closes_what_lies_in_the_pool(database: Journalled) -> None:
    engine = create_async_engine(database.server.address(database.name).url("asyncpg"))
    assert len(asyncio.run(pids(engine))) == 2

    wait_until(lambda: sessions(database) == 0)
