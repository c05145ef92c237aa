"""Each kind of leak, caused on purpose: the right test is told, and the next one passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.suites import Suite

if TYPE_CHECKING:
    from pathlib import Path

ENV = 'env = { DATABASE_URL = "{database.url}", REDIS_URL = "{redis.url}" }\n'
APPLICATION = """
    import os
    import threading
    import psycopg
    import redis
    import sqlalchemy as sa

    engine = sa.create_engine(os.environ["DATABASE_URL"])
    cache = redis.Redis.from_url(os.environ["REDIS_URL"])
    dsn = os.environ["DATABASE_URL"].replace("+psycopg", "")
    one = sa.text("SELECT 1")
    left = []

    def works():
        with engine.begin() as connection:
            return connection.scalar(one) == 1 and cache.ping()
"""
LEAVE = {
    "a_transaction_that_only_read": """
        connection = engine.connect()
        connection.execute(one)
        left.append(connection)
    """,
    "a_checkout_outside_a_transaction": """
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(one)
        left.append(connection)
    """,
    "a_thread_that_uses_the_database": """
        reached, stop = threading.Event(), threading.Event()
        def use():
            with engine.connect() as connection:
                connection.execute(one)
                reached.set()
                stop.wait()
        thread = threading.Thread(target=use, name="left behind", daemon=True)
        thread.start()
        reached.wait()
        left.append(stop)
    """,
    "a_transaction_of_a_driver": """
        connection = psycopg.connect(dsn)
        connection.execute("SELECT 1")
        left.append(connection)
    """,
    "a_lock_of_a_driver": """
        connection = psycopg.connect(dsn, autocommit=True)
        connection.execute("SELECT pg_advisory_lock(1)")
        left.append(connection)
    """,
    "a_subscriber": """
        subscriber = cache.pubsub()
        subscriber.subscribe("news")
        subscriber.get_message(timeout=5)
        left.append(subscriber)
    """,
    "a_blocked_client": """
        client = redis.Redis.from_url(os.environ["REDIS_URL"])
        def wait():
            try:
                client.blpop("never")
            except redis.ConnectionError:
                pass
        def blocked():
            return any(each["cmd"] == "blpop" for each in cache.client_list())
        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        while not blocked():
            pass
    """,
}


def _indented(body: str) -> str:
    return body.replace("\n        ", "\n            ")


@pytest.mark.slow
def test_every_kind_of_leak_is_an_error_of_its_own_test(tmp_path: Path) -> None:
    tests = "".join(
        f"""
        def test_{kind}():{_indented(body)}
        def test_after_{kind}():
            assert works()
        """
        for kind, body in LEAVE.items()
    )
    suite = Suite(
        tmp_path,
        conftest=APPLICATION,
        test_it=f"        from conftest import *\n        import os, threading, redis\n{tests}",
    )
    suite.configure(ENV)
    outcome = suite.run("-p", "no:randomly")

    assert outcome.code == 1, outcome.text
    assert f"{2 * len(LEAVE)} passed, {len(LEAVE)} errors" in outcome.text
    for kind in LEAVE:
        assert f"ERROR test_it.py::test_{kind} - Failed: TK3" in outcome.text, outcome.text
    assert "in test_a_transaction_that_only_read 0." in outcome.text
    assert "in test_a_checkout_outside_a_transaction 0." in outcome.text
    assert "in test_a_thread_that_uses_the_database.<locals>.use 0." in outcome.text
    assert "by thread 'left behind'" in outcome.text
    assert "last statement: SELECT pg_advisory_lock(1)" in outcome.text
    assert "subscribed, last command subscribe" in outcome.text
    assert "blocked, last command blpop" in outcome.text


@pytest.mark.slow
def test_a_leak_is_a_warning_by_configuration_and_by_marker(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path,
        conftest=APPLICATION,
        test_it="""
        import pytest
        from conftest import engine, left, one, works

        def leave(*, in_transaction=False):
            connection = engine.connect()
            if not in_transaction:
                connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.execute(one)
            left.append(connection)

        def test_configured():
            leave()

        def test_that_goes_on_with_it():
            assert left[0].scalar(one) == 1
            left.pop().close()

        def test_in_a_transaction():
            leave(in_transaction=True)

        @pytest.mark.leaks("error")
        def test_marked():
            leave()

        def test_last():
            assert works()
    """,
    )
    suite.configure(ENV + 'leaks = "warn"\n')
    outcome = suite.run("-p", "no:randomly")

    outcome.check(code=1, passed=4, error=1)
    assert "ERROR test_it.py::test_marked" in outcome.text
    assert "test_it.py::test_configured" in outcome.text
    assert outcome.text.count("LeakWarning") == 2


@pytest.mark.slow
def test_what_was_open_before_the_test_or_is_only_late_is_no_leak(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path,
        conftest=APPLICATION,
        test_it="""
        import threading
        import psycopg
        import pytest
        from conftest import cache, dsn, engine, one, works

        @pytest.fixture(scope="module")
        def of_the_module():
            subscriber = cache.pubsub()
            subscriber.subscribe("news")
            with engine.connect() as pooled, psycopg.connect(dsn) as raw:
                transaction = pooled.begin()
                yield pooled, raw, subscriber
                transaction.rollback()
            subscriber.close()

        @pytest.mark.parametrize("time", range(2))
        def test_that_uses_what_the_module_holds(of_the_module, time):
            pooled, raw, subscriber = of_the_module
            pooled.execute(one)
            raw.execute("SELECT 1")
            cache.publish("news", "of the test")

        def test_that_ends_a_little_later():
            reached, test_over = threading.Event(), threading.Event()

            def use():
                with engine.connect() as connection:
                    connection.execute(one)
                    reached.set()
                    test_over.wait()

            threading.Thread(target=use).start()
            reached.wait()
            threading.Timer(0.03, test_over.set).start()

        def test_whose_session_waits_for_the_garbage_collector():
            class Holder: pass
            holder = Holder()
            holder.me, holder.connection = holder, engine.connect()
            holder.connection.execute(one)

        def test_last():
            assert works()
    """,
    )
    suite.configure(ENV)
    outcome = suite.run("-p", "no:randomly", "-W", "ignore::sqlalchemy.exc.SAWarning")

    outcome.check(passed=5)


@pytest.mark.slow
def test_a_task_left_in_a_loop_of_the_module_is_a_leak_of_the_test_that_began_it(
    tmp_path: Path,
) -> None:
    suite = Suite(
        tmp_path,
        test_it="""
        import asyncio
        import os
        import pytest
        import sqlalchemy as sa
        from sqlalchemy.ext.asyncio import create_async_engine

        pytestmark = pytest.mark.asyncio(loop_scope="module")
        engine = create_async_engine(os.environ["DATABASE_URL"])
        one = sa.text("SELECT 1")
        tasks = []

        async def poll(reached):
            async with engine.connect() as connection:
                await connection.execute(one)
                reached.set()
                await asyncio.Event().wait()

        async def begin(name):
            reached = asyncio.Event()
            tasks.append(asyncio.create_task(poll(reached), name=name))
            await reached.wait()

        import pytest_asyncio
        @pytest_asyncio.fixture(loop_scope="module", scope="module")
        async def application():
            await begin("of the application")
            yield
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await engine.dispose()

        async def test_with_the_application(application):
            async with engine.connect() as connection:
                await connection.execute(one)

        async def test_that_leaves_a_task(application):
            await begin("left behind")

        async def test_last(application):
            async with engine.connect() as connection:
                assert await connection.scalar(one) == 1
            assert not tasks[0].done()
    """,
    )
    suite.configure(ENV)
    outcome = suite.run("-p", "no:randomly")

    outcome.check(code=1, passed=2, error=1)
    assert "ERROR test_it.py::test_that_leaves_a_task" in outcome.text
    assert "by task 'left behind'" in outcome.text
    assert "of the application" not in outcome.messages


@pytest.mark.slow
@pytest.mark.parametrize("marker", ['leaks("no")', "leaks()", 'leaks(answer="warn")'])
def test_a_marker_that_says_neither_is_wrong_use(tmp_path: Path, marker: str) -> None:
    suite = Suite(
        tmp_path,
        test_it=f"""
        import pytest

        @pytest.mark.{marker}
        def test_it(): pass
    """,
    )
    outcome = suite.run()

    assert outcome.code == 4, outcome.text
    assert f"@pytest.mark.{marker}" in outcome.text.replace("'", '"')
    assert "TK312" in outcome.text


@pytest.mark.slow
def test_what_workers_of_wider_fixtures_hold_is_no_test_s_leak(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path,
        conftest=APPLICATION,
        test_it="""
        import threading
        import pytest
        import redis
        import sqlalchemy as sa
        from conftest import cache, engine, one, os

        static = sa.create_engine(os.environ["DATABASE_URL"], poolclass=sa.pool.StaticPool)

        @pytest.fixture(scope="module")
        def workers():
            stop, told = threading.Event(), []

            def poll():
                while not stop.is_set():
                    with engine.connect() as connection:
                        connection.execute(one)
                        connection.commit()
                        stop.wait(0.4)

            def work():
                client = redis.Redis.from_url(os.environ["REDIS_URL"])
                while not stop.is_set():
                    client.set("alive", 1)
                    try:
                        client.blpop("queue", timeout=1)
                    except redis.ConnectionError:
                        pass

            threads = [threading.Thread(target=each) for each in (poll, work)]
            for thread in threads:
                thread.start()
            with static.connect() as held:
                yield held
            stop.set()
            for thread in threads:
                thread.join()

        @pytest.mark.parametrize("time", range(4))
        def test_beside_them(workers, time):
            while not any(each["cmd"] == "blpop" for each in cache.client_list()):
                pass
            with static.connect() as connection:
                connection.execute(one)
            assert workers.scalar(one) == 1
    """,
    )
    suite.configure(ENV)
    outcome = suite.run("-p", "no:randomly")

    outcome.check(passed=4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "mode"), [("error", "reset"), ("warn", "reset"), ("error", "clone")]
)
def test_a_scoped_session_that_was_left_open_can_be_used_by_the_next_test(
    tmp_path: Path, answer: str, mode: str
) -> None:
    suite = Suite(
        tmp_path,
        conftest=APPLICATION,
        test_it="""
        import pytest
        from conftest import engine, one
        from sqlalchemy import text
        from sqlalchemy.orm import scoped_session, sessionmaker

        session = scoped_session(sessionmaker(engine))

        @pytest.mark.parametrize("time", range(3))
        def test_it(time):
            session.execute(text("CREATE TEMP TABLE IF NOT EXISTS mine (n int)"))
            session.commit()
            assert session.scalar(one) == 1
    """,
    )
    suite.configure(f'{ENV}leaks = "{answer}"\nisolation = "{mode}"\n')
    outcome = suite.run("-p", "no:randomly")

    if answer == "warn":
        outcome.check(passed=3)
        assert "test_it.py:13 in test_it" in outcome.text
        # pytest tells warnings of the same words once, with all their tests.
        assert all(f"test_it.py::test_it[{time}]" in outcome.text for time in range(3))
    else:
        assert "3 passed, 3 errors" in outcome.text


@pytest.mark.slow
def test_a_task_that_a_later_fixture_began_is_no_test_s_leak(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path,
        test_it="""
        import asyncio
        import os
        import pytest
        import pytest_asyncio
        import sqlalchemy as sa
        from sqlalchemy.ext.asyncio import create_async_engine

        pytestmark = pytest.mark.asyncio(loop_scope="module")
        one = sa.text("SELECT 1")

        @pytest_asyncio.fixture(loop_scope="module", scope="module")
        async def engine():
            engine = create_async_engine(os.environ["DATABASE_URL"])
            yield engine
            await engine.dispose()

        @pytest_asyncio.fixture(loop_scope="module", scope="module")
        async def poller(engine):
            async def poll():
                while True:
                    async with engine.connect() as connection:
                        await connection.execute(one)
                        await connection.commit()
                        await asyncio.sleep(0.3)

            task = asyncio.create_task(poll())
            yield task
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        async def test_without_it(engine):
            async with engine.connect() as connection:
                await connection.execute(one)

        @pytest.mark.parametrize("time", range(3))
        async def test_beside_it(poller, engine, time):
            async with engine.connect() as connection:
                assert await connection.scalar(one) == 1
            await asyncio.sleep(0.01)
            assert not poller.done()
    """,
    )
    suite.configure(ENV)
    outcome = suite.run("-p", "no:randomly")

    outcome.check(passed=4)
