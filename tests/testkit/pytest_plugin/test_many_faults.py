"""Two hundred tests of faults, in parallel and in random order: none disturbs another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.support.sizes import seed_of, sized
from tests.support.suites import Suite

if TYPE_CHECKING:
    from pathlib import Path

TESTS: Final = 200
ORDER: Final = """
    import os, random

    def pytest_collection_modifyitems(items):
        random.Random(os.environ["ORDER"]).shuffle(items)
"""
INI: Final = """
    [pytest]
    asyncio_default_fixture_loop_scope = function
    filterwarnings = error
"""
SUITE: Final = """
    import asyncio
    import os
    import threading

    import asyncpg
    import psycopg
    import pytest
    import redis
    import redis.asyncio
    import sqlalchemy as sa
    from redis.asyncio.retry import Retry as AsyncRetry
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    engine = sa.create_engine(os.environ["DATABASE_URL"])
    store = redis.Redis.from_url(os.environ["REDIS_URL"], retry=Retry(NoBackoff(), 0))
    ONE = sa.text("SELECT 1")
    ONCE = {"retry": Retry(NoBackoff(), 0), "socket_timeout": 0.05}

    @pytest.fixture(scope="session", autouse=True)
    def closed():
        yield
        engine.dispose()
        store.close()

    @pytest.fixture(autouse=True)
    def nothing_of_others():
        names = [thread.name for thread in threading.enumerate()]
        assert "testkit faults" not in names
        assert store.ping()
        assert store.dbsize() == 0
        with engine.begin() as connection:
            assert connection.scalar(ONE) == 1
        yield

    def hangs(faults):
        with faults.redis.black_hole() as fault, redis.Redis.from_url(faults.redis.url, **ONCE) as client:
            with pytest.raises(redis.TimeoutError):
                client.set("a", 1)

    def held_behind_the_test(faults):
        faults.redis.black_hole(direction="to_server")
        with redis.Redis.from_url(faults.redis.url, **ONCE) as client:
            with pytest.raises(redis.TimeoutError):
                client.set("a", 1)

    def breaks(faults):
        faults.postgres.route(engine)
        with pytest.raises(sa.exc.OperationalError), engine.begin() as connection:
            connection.scalar(ONE)
            with faults.postgres.reset():
                connection.scalar(ONE)
        with engine.begin() as connection:
            assert connection.scalar(ONE) == 1

    def refuses(faults):
        with faults.postgres.refuse() as fault, pytest.raises(psycopg.OperationalError):
            psycopg.connect(faults.postgres.url("libpq"))
        assert fault.struck == 1

    def is_slow(faults):
        faults.redis.route(store)
        faults.redis.latency(0.001, jitter=0.001)
        assert store.set("a", 1)

    def cuts(faults):
        async def ask():
            client = redis.asyncio.Redis.from_url(
                faults.redis.url, retry=AsyncRetry(NoBackoff(), 0)
            )
            await client.ping()
            with faults.redis.cut(after=1), pytest.raises(redis.ConnectionError):
                await client.ping()
            assert await client.ping()
            await client.aclose()
        asyncio.run(ask())

    def is_silent(faults):
        async def ask():
            with faults.postgres.silence(), pytest.raises(TimeoutError):
                await asyncpg.connect(faults.postgres.url("libpq"), timeout=0.02)
        asyncio.run(ask())

    def is_off(faults):
        async def ask():
            with faults.postgres.connect_black_hole(), pytest.raises(TimeoutError):
                await asyncpg.connect(faults.postgres.url("libpq"), timeout=0.02)
        asyncio.run(ask())

    KINDS = [hangs, held_behind_the_test, breaks, refuses, is_slow, cuts, is_silent, is_off]

    @pytest.mark.parametrize("number", range(NUMBER))
    def test_it(faults, number):
        KINDS[number % len(KINDS)](faults)
"""


@pytest.mark.parametrize("times", sized("faults"))
def test_two_hundred_tests_do_not_disturb_each_other(
    times: int, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    suite = Suite(tmp_path, conftest=ORDER, test_it=SUITE.replace("NUMBER", str(TESTS)))
    suite.configure('env = { DATABASE_URL = "{database.url}", REDIS_URL = "{redis.url}" }')
    suite.write("pytest.ini", INI)
    seed = seed_of(pytestconfig)
    for number in range(times):
        outcome = suite.run("-n", "4", timeout=300, ORDER=str(seed + number))

        outcome.check(passed=TESTS)
