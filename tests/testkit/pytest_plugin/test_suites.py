"""Whole suites, each run by pytest in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.suites import Suite

ENV = 'env = { DATABASE_URL = "{database.url}", REDIS_URL = "{redis.url}" }\n'
TABLE = """
    import os
    import pytest
    import sqlalchemy as sa

    engine = sa.create_engine(os.environ["DATABASE_URL"])

    def names():
        with engine.connect() as connection:
            return sorted(connection.execute(sa.text("SELECT name FROM t")).scalars())

    def add(name):
        with engine.begin() as connection:
            return connection.execute(
                sa.text("INSERT INTO t (name) VALUES (:n) RETURNING id"), {"n": name}).scalar()

    @pytest.fixture(scope="session", autouse=True)
    def table():
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE t (id serial PRIMARY KEY, name text UNIQUE)"))
        add("of the session")
        yield
        engine.dispose()
"""


def test_a_suite_that_never_heard_of_our_fixtures_is_isolated(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path,
        conftest=TABLE,
        test_it="""
        import pytest
        from conftest import add, names

        @pytest.mark.parametrize("n", range(4))
        def test_commits_the_same_name(n):
            assert names() == ["of the session"]
            assert add("ada") == 2
    """,
    )
    suite.configure(ENV)
    outcome = suite.run()

    outcome.check(passed=4)


@pytest.mark.slow
def test_workers_share_a_server_and_have_a_database_each(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path,
        conftest=TABLE,
        test_it="""
        import os, pathlib, pytest
        import redis
        import sqlalchemy as sa
        from conftest import add, engine, names

        @pytest.mark.parametrize("n", range(12))
        def test_commits_the_same_name(n, tmp_path):
            assert names() == ["of the session"]
            assert add("ada") == 2
            with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
                assert client.incr("count") == 1
                here = (engine.url.database, engine.url.port,
                        client.connection_pool.connection_kwargs["port"])
            with pathlib.Path("seen").open("a") as file:
                print(*here, file=file)
    """,
    )
    suite.configure(ENV)
    outcome = suite.run("-n", "2")
    seen = {tuple(line.split()) for line in (tmp_path / "seen").read_text().splitlines()}

    outcome.check(passed=12)
    assert len({database for database, _, _ in seen}) == 2
    assert len({port for _, port, _ in seen}) == 1
    assert len({port for _, _, port in seen}) == 2


@pytest.mark.slow
def test_servers_that_only_workers_asked_for_are_gone_when_the_run_ends(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path,
        test_it="""
        import os, pathlib

        def test_it(db_session, redis_client):
            pathlib.Path("run").write_text(os.environ["TESTKIT_RUN"].partition(":")[0])
    """,
    )
    outcome = suite.run("-n", "2")
    token = (tmp_path / "run").read_text()

    outcome.check(passed=1)
    assert [p for root in ("/tmp", "/dev/shm") for p in Path(root).glob(f"*{token}*")] == []


@pytest.mark.slow
def test_rows_of_a_module_fixture_stay_until_the_module_ends(tmp_path: Path) -> None:
    module = """
        import pytest
        from conftest import add, names

        @pytest.fixture(scope="module")
        def shared():
            add("of the module")

        class TestInAClass:
            @pytest.fixture(scope="class", autouse=True)
            def narrower(self, shared):
                add("of the class")

            @pytest.mark.parametrize("n", range(2))
            def test_sees_both(self, n):
                assert names() == ["of the class", "of the module", "of the session"]
                add("mine")

        def test_sees_the_module(shared):
            assert names() == ["of the module", "of the session"]
            add("mine")
    """
    suite = Suite(
        tmp_path,
        conftest=TABLE,
        test_a=module,
        test_b=module,
        test_c="""
        from conftest import names

        def test_sees_neither():
            assert names() == ["of the session"]
    """,
    )
    suite.configure(ENV)
    outcome = suite.run()

    outcome.check(passed=7)


@pytest.mark.slow
def test_function_fixtures_are_torn_down_before_and_module_fixtures_after_the_reset(
    tmp_path: Path,
) -> None:
    suite = Suite(
        tmp_path,
        conftest=TABLE,
        test_it="""
        import pytest
        from conftest import add, names

        @pytest.fixture(scope="module", autouse=True)
        def outer():
            yield
            assert names() == ["of the session"]

        @pytest.fixture
        def inner():
            add("inner")
            yield
            assert names() == ["inner", "mine", "of the session"]
            add("late")

        def test_it(inner):
            add("mine")
    """,
    )
    suite.configure(ENV)
    outcome = suite.run()

    assert (outcome.code, outcome.tests) == (0, {"test_it::test_it": "passed"})


@pytest.mark.slow
def test_ddl_of_a_test_is_undone_and_pools_do_not_notice(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path,
        test_it="""
        import asyncio, os
        import pytest
        import sqlalchemy as sa
        from sqlalchemy.ext.asyncio import create_async_engine

        engine = sa.create_engine(os.environ["DATABASE_URL"])
        engine.connect().close()  # a pooled connection that is older than any replacement

        @pytest.fixture(scope="module", autouse=True)
        def disposed():
            yield
            engine.dispose()

        @pytest.mark.parametrize("n", range(3))
        def test_makes_a_table(n):
            with engine.begin() as connection:
                connection.execute(sa.text("CREATE TABLE t (id int)"))
                connection.execute(sa.text("INSERT INTO t VALUES (1)"))

        def test_finds_none():
            with engine.connect() as connection:
                assert not sa.inspect(connection).get_table_names()
    """,
    )
    suite.configure(ENV)
    outcome = suite.run("-p", "no:randomly")

    outcome.check(passed=4)


@pytest.mark.slow
def test_redis_is_reset_with_what_wider_fixtures_set(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path,
        test_it="""
        import os
        import pytest
        import redis

        @pytest.fixture(scope="session")
        def client():
            with redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True) as client:
                yield client

        @pytest.fixture(scope="module", autouse=True)
        def shared(client):
            client.hset("shared", mapping={"a": "1"})
            client.set("short", "x", ex=100)

        @pytest.mark.parametrize("n", range(3))
        def test_it(client, n):
            assert sorted(client.keys()) == ["shared", "short"]
            assert client.hgetall("shared") == {"a": "1"}
            assert 0 < client.ttl("short") <= 100
            client.delete("short")
            client.hset("shared", "b", "2")
            client.set("mine", 1)
            assert client.incr("count") == 1
            other = redis.Redis.from_url(os.environ["REDIS_URL"].replace("/0", "/9"))
            assert other.incr("count") == 1
            other.close()
    """,
    )
    suite.configure(ENV)
    outcome = suite.run()

    outcome.check(passed=3)


@pytest.mark.slow
def test_subscribers_of_the_test_before_are_gone(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path,
        test_it="""
        import pytest
        import redis

        held = []

        @pytest.mark.parametrize("n", range(3))
        def test_it(redis_client, redis_server, n):
            assert redis_client.publish("news", "x") == 0
            other = redis.Redis.from_url(redis_server.url)
            listener = other.pubsub()
            listener.subscribe("news")
            listener.get_message(timeout=1)
            assert redis_client.publish("news", "x") == 1
            held.append(listener)
            if n == 2:
                for listener in held:
                    listener.close()
    """,
    )
    outcome = suite.run()

    outcome.check(passed=3)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_asynchronous_fixtures_work_with_pytest_asyncio(tmp_path: Path, mode: str) -> None:
    suite = Suite(
        tmp_path,
        test_it="""
        import pytest
        import sqlalchemy as sa

        @pytest.mark.asyncio
        @pytest.mark.parametrize("n", range(3))
        async def test_it(async_db_session, async_redis_client, database, n):
            assert (await async_db_session.execute(sa.text("SELECT 1"))).scalar() == 1
            assert await async_redis_client.incr("count") == 1
            async with database.async_engine.begin() as connection:
                await connection.execute(sa.text("SELECT 1"))

        @pytest.mark.asyncio(loop_scope="module")
        async def test_in_a_wider_loop(async_db_session, async_redis_client):
            assert (await async_db_session.execute(sa.text("SELECT 1"))).scalar() == 1
            assert await async_redis_client.incr("count") == 1
    """,
    )
    outcome = suite.run(
        "-W",
        "error",
        "-o",
        f"asyncio_mode={mode}",
        "-o",
        "asyncio_default_fixture_loop_scope=function",
    )

    outcome.check(passed=4)


@pytest.mark.slow
def test_asynchronous_fixtures_work_with_anyio(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path,
        test_it="""
        import pytest
        import sqlalchemy as sa

        pytestmark = pytest.mark.anyio

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.mark.parametrize("n", range(3))
        async def test_it(async_db_session, async_redis_client, n):
            assert (await async_db_session.execute(sa.text("SELECT 1"))).scalar() == 1
            assert await async_redis_client.incr("count") == 1
    """,
    )
    outcome = suite.run("-W", "error", "-o", "asyncio_default_fixture_loop_scope=function")

    outcome.check(passed=3)


@pytest.mark.slow
def test_asynchronous_fixtures_work_in_a_loop_of_the_tests_own(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path,
        test_it="""
        import asyncio
        import sqlalchemy as sa

        def test_it(async_db_session):
            async def go():
                return (await async_db_session.execute(sa.text("SELECT 1"))).scalar()
            assert asyncio.run(go()) == 1

        def test_unused(async_db_session, async_redis_client):
            pass
    """,
    )
    outcome = suite.run("-o", "asyncio_default_fixture_loop_scope=function")

    outcome.check(passed=2)


@pytest.mark.slow
def test_a_users_own_db_session_wins_and_factories_follow_it(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path,
        conftest="""
        import pytest
        from sqlalchemy.orm import Session

        class Marked(Session):
            pass

        @pytest.fixture
        def db_session(database):
            with Marked(database.engine) as session:
                yield session
    """,
        test_it="""
        import uuid
        from sqlalchemy import create_engine, text
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, object_session
        from testkit.factories import Factory, Unique

        class Base(DeclarativeBase):
            pass

        class Thing(Base):
            __tablename__ = "thing"
            id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
            name: Mapped[str] = mapped_column(unique=True)

        class ThingFactory(Factory[Thing]):
            class Meta:
                model = Thing

            name = Unique("thing")

        def test_it(database):
            Base.metadata.create_all(database.engine)
            thing = ThingFactory()
            assert type(object_session(thing)).__name__ == "Marked"
            with create_engine(database.url()).connect() as other:
                assert other.execute(text("SELECT name FROM thing")).scalars().all() == [thing.name]
    """,
    )
    outcome = suite.run()

    outcome.check(passed=1)


@pytest.mark.slow
def test_unittest_classes_are_isolated_too(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path,
        conftest=TABLE,
        test_it="""
        import unittest
        from conftest import add, names

        class TestIt(unittest.TestCase):
            @classmethod
            def setUpClass(cls):
                add("of the class")

            def setUp(self):
                add("of set-up")

            def tearDown(self):
                assert "mine" in names()

            def test_one(self):
                self.assertEqual(names(), ["of set-up", "of the class", "of the session"])
                add("mine")

            test_two = test_one
    """,
    )
    suite.configure(ENV)
    outcome = suite.run()

    outcome.check(passed=2)


@pytest.mark.slow
def test_isolation_none_leaves_what_tests_did_and_says_so(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path,
        conftest=TABLE,
        test_it="""
        from conftest import add, names

        def test_one():
            add("of the first test")

        def test_two():
            assert "of the first test" in names()
    """,
    )
    suite.configure(ENV + 'isolation = "none"\n')
    outcome = suite.run()

    outcome.check(passed=2)
    assert "isolation is none" in outcome.text


@pytest.mark.slow
def test_a_pytest_started_by_a_test_is_a_run_of_its_own(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path,
        test_it="""
        import os, pathlib, subprocess, sys

        def test_outer(tmp_path):
            (tmp_path / "pyproject.toml").write_text(pathlib.Path("pyproject.toml").read_text())
            (tmp_path / "test_inner.py").write_text(
                "import os\\ndef test(): print('INNER', os.environ['DATABASE_URL'])")
            done = subprocess.run(
                [sys.executable, "-m", "pytest", "-s", "-p", "testkit.pytest_plugin.hooks"],
                cwd=tmp_path, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
            inner = next(l for l in done.stdout.splitlines() if "INNER" in l)
            assert os.environ["DATABASE_URL"] not in inner
    """,
    )
    suite.configure(ENV)
    outcome = suite.run("-n", "1")

    outcome.check(passed=1)
