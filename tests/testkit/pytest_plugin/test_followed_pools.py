"""The drivers' own pools in whole runs: over changes of the schema, clones, leaks, event loops."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.suites import Suite

if TYPE_CHECKING:
    from pathlib import Path

ENV = 'env = { DATABASE_URL = "{database.url:libpq}" }\n'
LOOPS = """
    [pytest]
    asyncio_mode = auto
    asyncio_default_fixture_loop_scope = session
    asyncio_default_test_loop_scope = session
    filterwarnings = error
"""
# Pools of two connections, made at import and in the session's loop, each with one use: `do`.
APPLICATION = """
    import os
    import asyncpg
    import psycopg_pool
    import pytest
    from psycopg2.pool import ThreadedConnectionPool

    URL = os.environ["DATABASE_URL"]

    def configure(connection):
        connection.execute("SET shop.configured = 'yes'")
        connection.commit()

    async def init(connection):
        await connection.execute("SELECT set_config('shop.configured', 'yes', false)")

    psycopg = psycopg_pool.ConnectionPool(URL, min_size=2, open=True, configure=configure)
    psycopg2 = ThreadedConnectionPool(1, 2, URL)

    @pytest.fixture(scope="session", autouse=True)
    def pools_at_import(database):
        for pool in (psycopg, psycopg2):
            database.follow(pool)
            database.follow(pool)
        yield
        psycopg.close()
        psycopg2.closeall()

    @pytest.fixture(scope="session")
    async def async_psycopg(database):
        async with psycopg_pool.AsyncConnectionPool(URL, min_size=2, open=False) as pool:
            database.follow(pool)
            yield pool

    @pytest.fixture(scope="session")
    async def of_asyncpg(database):
        async with asyncpg.create_pool(URL, min_size=2, max_size=2, init=init) as pool:
            database.follow(pool)
            yield pool

    STATE = (
        "SELECT concat_ws(' ', current_setting('shop.test', true), current_setting('work_mem'),"
        " (SELECT count(*) FROM pg_listening_channels()), to_regclass('basket'), to_regclass('kept'))"
    )
    CLEAN = "4MB 0"
    LEAVE = [
        "SET shop.test = 'x'", "SET work_mem = '9MB'", "LISTEN news",
        "CREATE TEMPORARY TABLE basket ()", "SELECT pg_advisory_lock(7)",
    ]
"""
# Each changes the schema every other time.
TESTS = """
    import pytest
    from conftest import CLEAN, LEAVE, STATE, psycopg, psycopg2

    times = pytest.mark.parametrize("n", range(4))
    ALL = {0: LEAVE, 1: [*LEAVE, "CREATE TABLE kept ()"]}

    @times
    def test_psycopg(n):
        with psycopg.connection() as connection:
            assert connection.execute("SHOW shop.configured").fetchone() == ("yes",)
            assert connection.execute(STATE).fetchone() == (CLEAN,)
            for statement in ALL[n % 2]:
                connection.execute(statement)

    @times
    def test_psycopg2(n):
        connection = psycopg2.getconn()
        with connection, connection.cursor() as cursor:
            cursor.execute(STATE)
            assert cursor.fetchone() == (CLEAN,)
            for statement in ALL[n % 2]:
                cursor.execute(statement)
        psycopg2.putconn(connection)

    @times
    async def test_async_psycopg(n, async_psycopg):
        async with async_psycopg.connection() as connection:
            assert await (await connection.execute(STATE)).fetchone() == (CLEAN,)
            for statement in ALL[n % 2]:
                await connection.execute(statement)

    @times
    async def test_asyncpg(n, of_asyncpg):
        async with of_asyncpg.acquire() as connection:
            assert await connection.fetchval(STATE) == CLEAN
            for statement in ALL[n % 2]:
                await connection.execute(statement)
"""
LEAKS = """
    import pytest
    from conftest import psycopg, psycopg2

    times = pytest.mark.parametrize("n", range(3))

    @times
    def test_psycopg(n):
        connection = psycopg.getconn(timeout=5)
        connection.execute("SELECT 1")
        connection.commit()

    @times
    def test_psycopg2(n):
        connection = psycopg2.getconn()
        connection.autocommit = True
        connection.cursor().execute("SELECT 1")

    @times
    async def test_async_psycopg(n, async_psycopg):
        connection = await async_psycopg.getconn(timeout=5)
        await connection.execute("SELECT 1")
        await connection.commit()

    @times
    async def test_asyncpg(n, of_asyncpg):
        connection = await of_asyncpg.acquire(timeout=5)
        await connection.fetchval("SELECT 1")
"""


@pytest.mark.slow
@pytest.mark.parametrize("isolation", ["reset", "clone", "rollback"])
def test_each_test_finds_every_pool_as_it_was_made(tmp_path: Path, isolation: str) -> None:
    suite = Suite(tmp_path, conftest=APPLICATION, test_it=TESTS)
    suite.write("pytest.ini", LOOPS)
    suite.configure(f'isolation = "{isolation}"\n{ENV}')

    suite.run("-p", "no:randomly").check(passed=16)


@pytest.mark.slow
def test_what_is_not_returned_is_told_each_time_and_no_pool_runs_dry(tmp_path: Path) -> None:
    suite = Suite(tmp_path, conftest=APPLICATION, test_it=LEAKS)
    suite.write("pytest.ini", LOOPS)
    suite.configure(ENV)
    outcome = suite.run("-p", "no:randomly")

    assert "12 passed, 12 errors" in outcome.text, outcome.text
    for name in ("psycopg", "psycopg2", "async_psycopg", "asyncpg"):
        for n in range(3):
            assert f"ERROR test_it.py::test_{name}[{n}] - Failed: TK302" in outcome.text
        assert f"in test_{name} 0." in outcome.text, outcome.text


@pytest.mark.slow
def test_what_a_failed_test_did_not_return_is_back_in_its_pool(tmp_path: Path) -> None:
    failing = LEAKS.replace('"SELECT 1"', '"SELECT 1 FROM nowhere"')
    suite = Suite(tmp_path, conftest=APPLICATION, test_it=failing)
    suite.write("pytest.ini", LOOPS)
    suite.configure(ENV)
    outcome = suite.run("-p", "no:randomly")

    outcome.check(code=1, failed=12)
    assert outcome.messages.count('relation "nowhere" does not exist') >= 12
    assert "TK302" not in outcome.text


@pytest.mark.slow
def test_leaks_of_which_is_only_warned_are_not_ended(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path,
        conftest=APPLICATION,
        test_it="""
        import pytest
        from conftest import psycopg

        left = []

        @pytest.mark.leaks("warn")
        def test_that_leaves_one():
            connection = psycopg.getconn()
            connection.execute("SELECT 1")
            connection.commit()
            left.append(connection)

        def test_that_goes_on_with_it():
            assert left[0].execute("SELECT 2").fetchone() == (2,)
            psycopg.putconn(left.pop())
        """,
    )
    suite.configure(ENV)
    outcome = suite.run("-p", "no:randomly")

    outcome.check(passed=2)
    assert "LeakWarning: TK302" in outcome.text


@pytest.mark.slow
def test_a_pool_of_an_application_that_runs_for_the_whole_session(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path,
        app="""
        import contextlib
        import os
        import asyncpg
        from fastapi import FastAPI

        @contextlib.asynccontextmanager
        async def lifespan(app):
            async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=2) as app.state.pool:
                yield

        app = FastAPI(lifespan=lifespan)

        @app.post("/run")
        async def run(statement: str):
            return await app.state.pool.fetchval(statement)
        """,
        conftest="""
        import pytest
        from app import app
        from fastapi.testclient import TestClient

        @pytest.fixture(scope="session")
        def client(database):
            with TestClient(app) as client:
                database.follow(app.state.pool)
                yield client
        """,
        test_it="""
        import pytest

        @pytest.mark.parametrize("n", range(4))
        def test_it(client, n):
            def run(statement):
                answer = client.post("/run", params={"statement": statement})
                return answer.json()

            assert run("SELECT to_regclass('kept')::text") is None
            assert run("SELECT to_regclass('basket')::text") is None
            run("CREATE TABLE kept ()")
            run("CREATE TEMPORARY TABLE basket ()")
        """,
    )
    suite.write("pytest.ini", LOOPS)
    suite.configure(ENV)

    suite.run().check(passed=4)
