"""What is done outside a test stays as long as it should, and no longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.suites import Suite

if TYPE_CHECKING:
    from pathlib import Path

ENV = 'env = { DATABASE_URL = "{database.url}", REDIS_URL = "{redis.url}" }\n'
# A conftest that prepares its servers while it is imported.
PREPARED = """
    import os
    import redis
    import sqlalchemy as sa

    engine = sa.create_engine(os.environ["DATABASE_URL"])
    cache = redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE IF NOT EXISTS people (name text UNIQUE)"))
        connection.execute(sa.text("INSERT INTO people VALUES ('of the import')"))
    cache.set("of", "the import")

    def add(name):
        with engine.begin() as connection:
            connection.execute(sa.text("INSERT INTO people VALUES (:name)"), {"name": name})

    def names():
        with engine.connect() as connection:
            return list(connection.scalars(sa.text("SELECT name FROM people ORDER BY 1")))
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", pytest.param("2", marks=pytest.mark.slow)])
def test_a_conftest_may_use_its_servers_while_it_is_imported(tmp_path: Path, workers: str) -> None:
    suite = Suite(
        tmp_path,
        conftest=PREPARED,
        test_it="""
        import pytest
        from conftest import add, cache, names

        @pytest.mark.parametrize("n", range(4))
        def test_it(n):
            assert names() == ["of the import"]
            assert (cache.get("of"), cache.dbsize()) == ("the import", 1)
            add("ada")
            cache.set("name", "ada")
    """,
    )
    suite.configure(ENV)

    suite.run("-n", workers).check(passed=4)


@pytest.mark.slow
def test_a_fixture_that_starts_the_servers_itself_keeps_what_it_wrote(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path,
        test_it="""
        import pytest
        import sqlalchemy as sa

        @pytest.fixture(scope="session")
        def shared(request):
            server = request.getfixturevalue("redis_server")
            import redis
            client = redis.Redis.from_url(server.url)
            client.set("of", "the session")
            yield client
            client.close()

        @pytest.mark.parametrize("n", range(3))
        def test_it(n, shared):
            assert (shared.get("of"), shared.dbsize()) == (b"the session", 1)
            shared.set("of the test", n)
    """,
    )

    suite.run().check(passed=3)


@pytest.mark.slow
def test_the_last_test_may_be_run_again(tmp_path: Path) -> None:
    """As a plugin for reruns does it: the protocol of one item, twice."""
    suite = Suite(
        tmp_path,
        conftest=PREPARED
        + """
    from _pytest.runner import runtestprotocol

    def pytest_runtest_protocol(item, nextitem):
        for _ in range(2):
            for report in runtestprotocol(item, nextitem=nextitem, log=False):
                item.ihook.pytest_runtest_logreport(report=report)
        return True
    """,
        test_it="""
        import pytest
        from conftest import add, cache, names

        @pytest.fixture(scope="module")
        def shared():
            add("of the module")
            cache.set("of the module", 1)

        def test_it(shared):
            assert names() == ["of the import", "of the module"]
            assert cache.dbsize() == 2
            add("of the test")
            cache.set("of the test", 1)
    """,
    )
    suite.configure(ENV)
    outcome = suite.run("-v")

    assert outcome.code == 0, outcome.text
    assert outcome.text.count("PASSED") == 2


@pytest.mark.slow
def test_a_session_left_open_is_an_error_of_its_own_test_only(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path,
        conftest=PREPARED,
        test_it="""
        import sqlalchemy as sa
        from conftest import add, engine, names

        left = []

        def test_that_leaves_a_transaction_open():
            connection = engine.connect()
            connection.execute(sa.text("INSERT INTO people VALUES ('ada')"))
            left.append(connection)

        def test_next():
            add("ada")
    """,
    )
    suite.configure(ENV)
    outcome = suite.run("-p", "no:randomly")

    assert outcome.code == 1, outcome.text
    assert outcome.text.count("TK302") > 0
    assert "INSERT INTO people VALUES ('ada')" in outcome.text
    assert "2 passed, 1 error" in outcome.text


@pytest.mark.slow
def test_a_test_that_failed_is_not_an_error_too_for_what_it_left_open(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path,
        conftest=PREPARED,
        test_it="""
        import sqlalchemy as sa
        from conftest import add, engine

        def test_that_fails():
            connection = engine.connect()
            connection.execute(sa.text("INSERT INTO people VALUES ('ada')"))
            assert connection is None

        def test_next():
            add("ada")
    """,
    )
    suite.configure(ENV)
    outcome = suite.run("-p", "no:randomly")

    outcome.check(code=1, passed=1, failed=1)
    assert "Captured testkit teardown" in outcome.text
    assert "INSERT INTO people VALUES ('ada')" in outcome.text


@pytest.mark.slow
def test_a_fixture_set_up_again_does_not_take_the_rows_of_one_that_still_stands(
    tmp_path: Path,
) -> None:
    module = """
        import pytest
        from conftest import names

        @pytest.mark.usefixtures("of_module", "of_class")
        class TestOne:
            def test_it(self):
                assert names() == ["of the class", "of the import", "of the module"]

        @pytest.mark.usefixtures("of_module")
        def test_after():
            assert names() == ["of the import", "of the module"]
    """
    suite = Suite(
        tmp_path,
        conftest=PREPARED
        + """
    import pytest

    @pytest.fixture(scope="module")
    def of_module():
        add("of the module")

    @pytest.fixture(scope="class")
    def of_class():
        add("of the class")
    """,
        test_a=module,
        test_b=module,
    )
    suite.configure(ENV)

    suite.run("-p", "no:randomly").check(passed=4)


@pytest.mark.slow
def test_a_task_of_the_session_s_loop_goes_on_in_the_next_test(tmp_path: Path) -> None:
    """It cannot while the reset runs: that is in the loop's own thread."""
    suite = Suite(
        tmp_path,
        conftest="""
        import os
        import pytest_asyncio
        import sqlalchemy as sa
        from sqlalchemy.ext.asyncio import create_async_engine

        @pytest_asyncio.fixture(scope="session", loop_scope="session")
        async def engine():
            engine = create_async_engine(os.environ["DATABASE_URL"])
            async with engine.begin() as connection:
                await connection.execute(sa.text("CREATE TABLE jobs (name text)"))
            yield engine
            await engine.dispose()
    """,
        test_it="""
        import asyncio
        import pytest
        import pytest_asyncio
        import sqlalchemy as sa

        pytestmark = pytest.mark.asyncio(loop_scope="session")
        begin, at_work, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

        @pytest_asyncio.fixture(scope="session", loop_scope="session")
        async def job(engine):
            async def work():
                await begin.wait()
                async with engine.begin() as connection:
                    await connection.execute(sa.text("INSERT INTO jobs VALUES ('job')"))
                    at_work.set()
                    await go_on.wait()

            yield asyncio.create_task(work())

        async def test_in_which_it_begins(job):
            begin.set()
            await at_work.wait()

        async def test_in_which_it_ends(job):
            go_on.set()
            await job

        async def test_after(engine):
            async with engine.begin() as connection:
                assert await connection.scalar(sa.text("SELECT count(*) FROM jobs")) == 0
    """,
    )
    suite.configure(ENV)

    suite.run("-p", "no:randomly").check(passed=3)


@pytest.mark.slow
def test_what_a_fixture_left_in_redis_goes_also_when_its_rows_are_an_error(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path,
        conftest=PREPARED,
        test_a="""
        import pytest
        import sqlalchemy as sa
        from conftest import cache, engine

        left = []

        @pytest.fixture(scope="module")
        def careless():
            cache.set("of the module", 1)
            yield
            left.append(engine.connect())
            left[0].execute(sa.text("INSERT INTO people VALUES ('open')"))

        def test_it(careless):
            assert cache.dbsize() == 2
    """,
        test_b="""
        from conftest import cache

        def test_after():
            assert cache.keys() == ["of"]
    """,
    )
    suite.configure(ENV)
    outcome = suite.run("-p", "no:randomly")

    assert "2 passed, 1 error" in outcome.text
    assert "TK302" in outcome.text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("base", "end", "code", "words"),
    [
        pytest.param(
            *("", "pytest.exit('enough', returncode=7)", 7, "enough"), marks=pytest.mark.slow
        ),
        pytest.param(
            *("", "raise KeyboardInterrupt", 2, "KeyboardInterrupt"), marks=pytest.mark.slow
        ),
        ("unittest.TestCase", "self.assertIsNone(1)", 1, "1 failed"),
    ],
)
def test_a_test_that_was_cut_short_ends_as_it_would_without_us(
    tmp_path: Path, base: str, end: str, code: int, words: str
) -> None:
    suite = Suite(
        tmp_path,
        conftest=PREPARED,
        test_it=f"""
        import unittest
        import pytest
        import sqlalchemy as sa
        from conftest import engine

        left = []

        class TestIt({base}):
            def test_it(self):
                left.append(engine.connect())
                left[0].execute(sa.text("INSERT INTO people VALUES ('ada')"))
                {end}
    """,
    )
    suite.configure(ENV)
    outcome = suite.run()

    assert outcome.code == code, outcome.text
    assert words in outcome.text
    assert "1 error" not in outcome.text
    assert "pytest_sessionfinish" not in outcome.text


@pytest.mark.slow
def test_a_test_that_turns_redis_inside_out_harms_nobody(tmp_path: Path) -> None:
    """What cannot be put back is an error of the test that did it, the fixture's of whoever runs."""
    suite = Suite(
        tmp_path,
        test_it="""
        import os
        import pytest
        import redis

        @pytest.fixture(scope="module")
        def cache():
            with redis.Redis.from_url(os.environ["REDIS_URL"]) as cache:
                cache.config_set("timeout", 1000)
                cache.set("of", "the module")
                yield cache

        def test_that_does_it(cache):
            cache.config_set("timeout", 1, "min-replicas-to-write", 1)
            cache.acl_setuser("default", reset=True)

        def test_next(cache):
            assert cache.config_get("timeout", "min-replicas-to-write") == {
                "timeout": "1000", "min-replicas-to-write": "0"}
            assert cache.get("of") == b"the module"

        @pytest.fixture(scope="class")
        def full(cache):
            cache.config_set("maxmemory", 1)

        class TestFull:
            def test_no_room(self, full):
                pass

        def test_after_it():
            with redis.Redis.from_url(os.environ["REDIS_URL"]) as cache:
                assert cache.get("of") == b"the module"
    """,
    )
    suite.configure('env = { REDIS_URL = "{redis.url}" }\n')
    outcome = suite.run("-p", "no:randomly")

    assert "4 passed, 1 error" in outcome.text
    assert "ERROR test_it.py::TestFull::test_no_room - Failed: TK310" in outcome.text
