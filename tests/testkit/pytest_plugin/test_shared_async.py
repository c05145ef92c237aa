"""Asynchronous shared fixtures: under pytest-asyncio, anyio and no plugin, in whichever loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.suites import Suite
from tests.testkit.pytest_plugin.test_shared import CONFTEST, ENV, MODELS

if TYPE_CHECKING:
    from pathlib import Path

# An application's own engine, made at import, with a pool that outlives every loop.
APPLICATION = """
    import redis.asyncio
    import testkit
    from sqlalchemy.ext.asyncio import create_async_engine

    app = create_async_engine(os.environ["DATABASE_URL"].replace("psycopg", DRIVER))
    ended = []

    async def shops():
        async with app.connect() as connection:
            return list(await connection.scalars(select(Shop.name).order_by(Shop.name)))

    @testkit.shared(scope="session")
    async def by_coroutine(database):
        async with database.async_session(expire_on_commit=False) as session:
            shop = Shop(name="of the session")
            session.add(shop)
            await session.commit()
        assert await shops() == ["of the session"]
        async with redis.asyncio.Redis.from_url(os.environ["REDIS_URL"]) as client:
            await client.set("of", "the session")
        return shop

    @testkit.shared(scope="module")
    async def by_generator(database, by_coroutine):
        async with database.async_session() as session:
            session.add(Shop(name="of the module"))
            await session.commit()
            yield "of the module"
        assert await shops() == ["of the module", "of the session"]
        ended.append("by_generator")
"""
TESTS = """
    import pytest
    from conftest import app, cache, ended, shops
    from models import Shop

    def rows(names, by_coroutine):
        assert names() == ["of the module", "of the session"]
        assert (cache.get("of"), cache.dbsize()) == ("the session", 1)
        assert by_coroutine.name == "of the session"
        cache.set("more", 1)

    {mark}
    @pytest.mark.parametrize("n", range(2))
    async def test_it(n, by_coroutine, by_generator, names, async_db_session):
        rows(names, by_coroutine)
        assert await shops() == ["of the module", "of the session"]
        {dispose}
        async_db_session.add(Shop(name="of the test"))
        await async_db_session.commit()

    def test_sync(by_coroutine, by_generator, names):
        rows(names, by_coroutine)
"""
AFTER = """
    from conftest import ended

    def test_after(by_coroutine, names):
        assert names() == ["of the session"]
        assert ended == ["by_generator"]
"""
BACKEND = """

    @pytest.fixture
    def anyio_backend():
        return "asyncio"
"""
WAYS = {
    "strict": ("asyncio_mode = strict", "@pytest.mark.asyncio", True),
    "auto": ("asyncio_mode = auto", "", True),
    "one loop for all": (
        "asyncio_mode = auto\nasyncio_default_test_loop_scope = session",
        "",
        False,
    ),
    "a module's loop": ("asyncio_mode = strict", '@pytest.mark.asyncio(loop_scope="module")', True),
    "anyio": ("", "@pytest.mark.anyio", True),
}


def suite_of(folder: Path, ini: str, driver: str) -> Suite:
    conftest = CONFTEST + f'\n    DRIVER = "{driver}"\n' + APPLICATION + BACKEND
    suite = Suite(folder, models=MODELS, conftest=conftest)
    suite.configure(ENV)
    scope = "asyncio_default_fixture_loop_scope = function"
    suite.write("pytest.ini", f"[pytest]\nfilterwarnings = error\n{scope}\n{ini}\n")
    return suite


@pytest.mark.slow
@pytest.mark.parametrize("driver", ["psycopg", pytest.param("asyncpg", marks=pytest.mark.soak)])
@pytest.mark.parametrize("way", WAYS)
def test_one_works_in_every_mode_and_loop(tmp_path: Path, way: str, driver: str) -> None:
    ini, mark, disposes = WAYS[way]
    suite = suite_of(tmp_path, ini, driver)
    # With a loop of its own each test must leave the application's pool as it found it.
    dispose = "await app.dispose()" if disposes else ""
    suite.write("test_a.py", TESTS.format(mark=mark, dispose=dispose))
    suite.write("test_b.py", AFTER)
    outcome = suite.run("-p", "no:randomly")

    outcome.check(passed=4)


@pytest.mark.slow
def test_it_runs_in_the_loop_of_the_tests_where_that_lives_as_long(tmp_path: Path) -> None:
    """So it may take what other fixtures opened in that loop."""
    ini = "asyncio_mode = auto\nasyncio_default_test_loop_scope = session"
    suite = suite_of(tmp_path, ini, "asyncpg")
    suite.write(
        "test_it.py",
        """
        import asyncio
        import os
        import pytest
        import pytest_asyncio
        import testkit
        from models import Shop
        from sqlalchemy import insert, select
        from sqlalchemy.ext.asyncio import create_async_engine

        @pytest_asyncio.fixture(scope="session", loop_scope="session")
        async def engine():
            engine = create_async_engine(os.environ["DATABASE_URL"].replace("psycopg", "asyncpg"))
            async with engine.connect() as connection:
                await connection.execute(select(1))
            yield engine
            await engine.dispose()

        @testkit.shared
        async def loop(engine):
            async with engine.begin() as connection:
                await connection.execute(insert(Shop).values(name="corner"))
            return asyncio.get_running_loop()

        @pytest.mark.parametrize("n", range(2))
        async def test_it(n, loop, engine, names):
            assert loop is asyncio.get_running_loop()
            async with engine.begin() as connection:
                assert (await connection.scalars(select(Shop.name))).all() == ["corner"]
                await connection.execute(insert(Shop).values(name="another"))

        def test_sync(loop, names):
            assert names() == ["corner"]
        """,
    )
    outcome = suite.run()

    outcome.check(passed=3)


@pytest.mark.slow
def test_it_runs_in_the_loop_that_anyio_keeps_for_other_fixtures(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, "", "asyncpg")
    suite.write(
        "test_it.py",
        """
        import asyncio
        import os
        import pytest
        import testkit
        from conftest import ended
        from models import Shop
        from sqlalchemy import insert, select
        from sqlalchemy.ext.asyncio import create_async_engine

        pytestmark = pytest.mark.anyio

        @pytest.fixture(scope="module")
        def anyio_backend():
            return "asyncio"

        @pytest.fixture(scope="module")
        async def engine(anyio_backend):
            engine = create_async_engine(os.environ["DATABASE_URL"].replace("psycopg", "asyncpg"))
            async with engine.connect() as connection:
                await connection.execute(select(1))
            yield engine
            await engine.dispose()

        @testkit.shared
        async def loop(engine):
            async with engine.begin() as connection:
                await connection.execute(insert(Shop).values(name="corner"))
            return asyncio.get_running_loop()

        @testkit.shared(scope="class")
        async def shop(engine):
            async with engine.begin() as connection:
                await connection.execute(insert(Shop).values(name="of the class"))
            yield
            async with engine.connect() as connection:
                ended.extend(await connection.scalars(select(Shop.name).order_by(Shop.name)))

        class TestOne:
            @pytest.mark.parametrize("n", range(2))
            async def test_it(self, n, loop, engine, shop, names):
                assert loop is asyncio.get_running_loop()
                async with engine.begin() as connection:
                    assert len((await connection.scalars(select(Shop.name))).all()) == 2
                    await connection.execute(insert(Shop).values(name="another"))

        async def test_after(loop, engine, names):
            assert names() == ["corner"]
            assert ended == ["corner", "of the class"]

        @testkit.shared(scope="class")
        async def open_one(engine):
            async with engine.connect() as connection:
                await connection.execute(insert(Shop).values(name="lost"))
                yield

        class TestOpen:
            async def test_open(self, open_one):
                pass
        """,
    )
    outcome = suite.run("-p", "no:randomly")

    outcome.check(code=1, passed=3, error=1)
    assert "TK343: At the end of its set-up the class fixture open_one" in outcome.text


@pytest.mark.slow
def test_it_needs_no_plugin(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, "", "psycopg")
    suite.write("pytest.ini", "[pytest]\nfilterwarnings = error\n")
    suite.write(
        "test_a.py",
        """
        def test_it(by_coroutine, by_generator, names):
            assert names() == ["of the module", "of the session"]
        """,
    )
    suite.write("test_b.py", AFTER)
    outcome = suite.run(
        "-p", "no:randomly", "-p", "no:pytest_asyncio.plugin", "-p", "no:anyio.pytest_plugin"
    )

    outcome.check(passed=2)


@pytest.mark.slow
def test_what_it_did_not_commit_is_an_error(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, "asyncio_mode = auto", "psycopg")
    suite.write(
        "test_it.py",
        """
        import testkit
        from conftest import app
        from models import Shop
        from sqlalchemy import insert

        @testkit.shared
        async def closed(database):
            async with database.async_session() as session:
                session.add(Shop(name="lost"))
                await session.flush()

        @testkit.shared
        async def in_use(database):
            async with app.connect() as connection:
                await connection.execute(insert(Shop).values(name="lost"))
                yield 1

        @testkit.shared
        async def attached(database):
            async with database.async_session() as session:
                shop = Shop(name="kept")
                session.add(shop)
                await session.commit()
                yield shop

        @testkit.shared
        async def failing(database):
            async with database.async_session() as session:
                session.add(Shop(name="kept"))
                await session.commit()
            raise ValueError("on purpose")

        class OfAnotherLibrary:
            def __await__(self):
                yield "a checkpoint"

        @testkit.shared
        async def foreign():
            await OfAnotherLibrary()

        def test_foreign(foreign):
            pass

        def test_closed(closed):
            pass

        def test_in_use(in_use):
            pass

        def test_attached(attached):
            pass

        def test_failing(failing):
            pass

        def test_after(names):
            assert names() == []

        async def test_too_late(request):
            request.getfixturevalue("by_coroutine")
        """,
    )
    outcome = suite.run("-p", "no:randomly")

    outcome.check(code=1, error=5, passed=1, failed=1)
    for words in (
        "TK344: The set-up of the module fixture closed",
        "TK343: At the end of its set-up the module fixture in_use",
        "TK345: The module fixture attached",
        "ValueError: on purpose",
        "TK346: The shared fixture by_coroutine",
        "TK348: The shared fixture foreign waited for 'a checkpoint'",
    ):
        assert words in outcome.text
