"""Session state of pooled connections in whole runs: whose it is, and when it goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.suites import Suite

if TYPE_CHECKING:
    from pathlib import Path

ENV = 'env = { DATABASE_URL = "{database.url}" }\n'
# An application with small pools that sets one thing at connect, and whose conftest sets another.
APPLICATION = """
    import os
    import sqlalchemy as sa

    engine = sa.create_engine(os.environ["DATABASE_URL"], pool_size=1)
    other = sa.create_engine(os.environ["DATABASE_URL"], pool_size=1)

    @sa.event.listens_for(engine, "connect")
    def work_mem(connection, _entry):
        connection.execute("SET work_mem = '5MB'")
        connection.commit()

    def do(statement, engine=engine):
        with engine.begin() as connection:
            result = connection.execute(sa.text(statement))
            return result.scalar() if result.returns_rows else None

    do("SET shop.imported = 'yes'")

    def state():
        return do(
            "SELECT concat_ws(' ', current_setting('work_mem'), nullif(current_setting('shop.imported', true), ''),"
            " nullif(current_setting('shop.fixture', true), ''),"
            " nullif(current_setting('shop.test', true), ''))")
"""


@pytest.mark.slow
def test_session_state_of_a_test_and_of_wider_fixtures_reaches_no_other_test(
    tmp_path: Path,
) -> None:
    suite = Suite(
        tmp_path,
        conftest=APPLICATION,
        test_it="""
        import pytest
        from conftest import do, engine, state

        @pytest.fixture(scope="session", autouse=True)
        def of_the_session():
            do("SET shop.fixture = 'session'")
            yield
            assert state() == "5MB"

        @pytest.fixture(scope="module", autouse=True)
        def of_the_module(of_the_session):
            assert state() == "5MB"
            do("SET shop.fixture = 'module'")

        @pytest.fixture(autouse=True)
        def of_the_test():
            do("SET shop.fixture = 'function'")
            yield
            assert state() == "5MB function test"

        @pytest.mark.parametrize("n", range(3))
        def test_it(n):
            assert state() == "5MB function"
            do("SET shop.test = 'test'")

        def test_that_resets():
            do("RESET ALL")
            assert state() == "4MB"
            do("SET work_mem = '5MB'; SET shop.fixture = 'function'; SET shop.test = 'test'")

        def test_after_it():
            assert state() == "5MB function"
            do("SET shop.test = 'test'")

        @pytest.mark.xfail(strict=True)
        def test_that_fails():
            do("SET shop.test = 'test'")
            raise AssertionError
    """,
    )
    suite.configure(ENV)

    suite.run("-p", "no:randomly").check(passed=5, skipped=1)


@pytest.mark.slow
def test_a_connection_that_a_wider_fixture_holds_keeps_what_it_set(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path,
        conftest=APPLICATION,
        test_it="""
        import pytest
        import sqlalchemy as sa
        from conftest import do, engine, other

        @pytest.fixture(scope="module")
        def held():
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(sa.text("SET shop.fixture = 'held'"))
                connection.execute(sa.text("SELECT pg_advisory_lock(42)"))
                connection.execute(sa.text("LISTEN news"))
                yield connection

        @pytest.mark.parametrize("n", range(3))
        def test_it(n, held):
            assert held.scalar(sa.text("SHOW shop.fixture")) == "held"
            assert held.scalar(sa.text("SELECT pg_listening_channels()")) == "news"
            assert do("SELECT pg_try_advisory_lock(42)", other) is False
    """,
    )
    suite.configure(ENV)

    suite.run().check(passed=3)


@pytest.mark.slow
@pytest.mark.parametrize("driver", ["psycopg", pytest.param("asyncpg", marks=pytest.mark.slow)])
def test_a_lock_on_a_connection_that_nobody_checks_out_again_does_not_hold_up_the_next_test(
    tmp_path: Path, driver: str
) -> None:
    suite = Suite(
        tmp_path,
        conftest=APPLICATION,
        test_it=f"""
        import os
        import pytest
        import sqlalchemy as sa
        from conftest import do, other
        from sqlalchemy.ext.asyncio import create_async_engine

        pytestmark = pytest.mark.asyncio(loop_scope="session")
        url = sa.make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+{driver}")
        later = create_async_engine(url, pool_size=1)

        def test_that_locks():
            do("SELECT pg_advisory_lock(1)")

        async def test_that_locks_later():
            async with later.begin() as connection:
                await connection.execute(sa.text("SELECT pg_advisory_lock(2)"))

        @pytest.mark.xfail(strict=True)
        def test_that_locks_and_fails():
            with other.connect() as connection:
                connection.execute(sa.text("SELECT pg_advisory_lock(3)"))
                raise AssertionError

        def test_that_wants_the_locks():
            one = sa.create_engine(os.environ["DATABASE_URL"])
            assert [do(f"SELECT pg_try_advisory_lock({{n}})", one) for n in (1, 2, 3)] == [True] * 3
            one.dispose()

        async def test_that_uses_the_pools_again():
            assert do("SHOW work_mem") == "5MB"
            async with later.connect() as connection:
                assert await connection.scalar(sa.text("SELECT 1")) == 1
            await later.dispose()
    """,
    )
    suite.configure(ENV)

    suite.run("-p", "no:randomly").check(passed=4, skipped=1)


@pytest.mark.slow
def test_the_engine_of_the_fixture_is_put_back_too(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path,
        test_it="""
        import pytest
        import sqlalchemy as sa

        @pytest.mark.parametrize("n", range(3))
        def test_it(n, db_session):
            assert db_session.scalar(sa.text("SHOW work_mem")) == "4MB"
            db_session.execute(sa.text("SET work_mem = '6MB'"))
            db_session.execute(sa.text("CREATE TEMPORARY TABLE cart (item text)"))
            db_session.commit()
    """,
    )

    suite.run().check(passed=3)


@pytest.mark.slow
def test_a_session_left_in_a_transaction_or_in_a_replaced_database_is_exchanged(
    tmp_path: Path,
) -> None:
    suite = Suite(
        tmp_path,
        conftest=APPLICATION,
        test_it="""
        import sqlalchemy as sa
        from conftest import do, engine, state

        left = []

        def test_that_changes_the_schema():
            do("SET shop.test = 'test'")
            do("CREATE TABLE people (name text)")

        def test_after_it():
            assert state() == "5MB"
            do("CREATE TABLE people (name text)")
            left.append(engine.connect())
            left[0].execute(sa.text("SET shop.test = 'test'"))
            left[0].execute(sa.text("INSERT INTO people VALUES ('ada')"))

        def test_last():
            left.clear()
            assert state() == "5MB"
    """,
    )
    suite.configure(ENV)
    outcome = suite.run("-p", "no:randomly")

    assert "3 passed, 1 error" in outcome.text
    assert "TK302" in outcome.text


@pytest.mark.slow
def test_without_isolation_a_session_keeps_what_a_test_set(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path,
        conftest=APPLICATION,
        test_it="""
        from conftest import do

        def test_that_sets():
            do("SET shop.test = 'test'")

        def test_that_sees_it():
            assert do("SHOW shop.test") == "test"
    """,
    )
    suite.configure(ENV + 'isolation = "none"\n')

    suite.run("-p", "no:randomly").check(passed=2)
