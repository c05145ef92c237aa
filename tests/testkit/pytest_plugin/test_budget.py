"""Whole suites with a budget: one that every test exceeds, and one that none does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.support.suites import Suite

if TYPE_CHECKING:
    from pathlib import Path

#: What every test takes longer than, whatever the machine, and what none does.
EXCEEDED: Final = "budget = 0\n"
KEPT: Final = "budget = 1000\n"
TESTS: Final = """
    import unittest
    import pytest
    from sqlalchemy import text

    def test_plain():
        pass

    def test_with_statements(database):
        with database.engine.connect() as connection:
            connection.execute(text("SELECT 1"))
            connection.execute(text("SELECT 2"))

    def test_that_fails_by_itself():
        assert 1 == 2

    @pytest.mark.slow
    def test_slow(database):
        with database.engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    @pytest.mark.xfail
    def test_expected_to_fail():
        assert False

    @pytest.mark.xfail
    def test_that_passes_unexpectedly():
        pass

    def test_with_subtests(subtests):
        with subtests.test("one"):
            pass

    def test_skipped():
        pytest.skip("not here")

    class TestOfUnittest(unittest.TestCase):
        def test_it(self):
            pass
"""


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return Suite(tmp_path / "suite", test_it=TESTS)


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_passing_test_that_took_longer_fails_with_its_own_code(
    suite: Suite, workers: str
) -> None:
    suite.configure(EXCEEDED)
    outcome = suite.run("-n", workers)
    failed = sorted(name for name, word in outcome.tests.items() if word == "failed")

    assert [name.rpartition("::")[2] for name in failed] == [
        *("test_it", "test_plain", "test_that_fails_by_itself", "test_with_statements"),
        "test_with_subtests",
    ]
    assert outcome.messages.count("TK324: The test took ") == 4 * 2  # message and text of JUnit
    assert "that is not marked slow may take 0 s." in outcome.messages
    assert "where: test_it.py::test_with_statements\n" in outcome.messages
    assert " passed in statements, 2 of them; the rest in Python" in outcome.messages
    assert "It sent no statement through SQLAlchemy" in outcome.messages
    assert outcome.messages.count("assert 1 == 2") > 0


@pytest.mark.slow
def test_a_budget_that_is_kept_changes_nothing(suite: Suite) -> None:
    without = suite.run("-p", "no:randomly").tests
    suite.configure(KEPT)
    within = suite.run("-p", "no:randomly")

    assert within.tests == without
    assert "TK324" not in within.text


@pytest.mark.slow
def test_a_test_over_its_budget_is_undone_like_any_other(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path / "suite",
        test_it="""
        import pytest
        from sqlalchemy import text

        def count(database):
            with database.engine.begin() as connection:
                connection.execute(text("INSERT INTO t VALUES (1)"))
                return connection.scalar(text("SELECT count(*) FROM t"))

        @pytest.mark.parametrize("turn", range(2))
        def test_alone(database, turn):
            assert count(database) == 1
    """,
        shape="""
        from sqlalchemy import Column, Integer, MetaData, Table

        metadata = MetaData()
        Table("t", metadata, Column("n", Integer))
    """,
    )
    suite.configure('budget = 0\nschema = "metadata:shape:metadata"\n')
    outcome = suite.run()

    outcome.check(code=1, failed=2)
    assert "assert 2 == 1" not in outcome.text


@pytest.mark.slow
def test_time_in_a_debugger_is_not_held_against_a_test(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path / "suite",
        test_it="""
        def test_it():
            breakpoint()
    """,
    )
    suite.configure(EXCEEDED)
    suite.run("-s", PYTHONBREAKPOINT="").check(code=1, failed=1)
    suite.write("answers.py", "")
    suite.write(
        "conftest.py",
        """
        import io, sys

        def pytest_runtest_setup():
            sys.stdin = io.StringIO("continue\\n")
    """,
    )
    suite.run("-s").check(passed=1)


@pytest.mark.slow
def test_blocks_hold_in_tests_of_every_kind_of_loop_and_with_workers(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path / "suite",
        test_it="""
        import asyncio
        import threading
        import anyio
        import pytest
        from sqlalchemy import text
        from sqlalchemy.ext.asyncio import create_async_engine

        ONE = text("SELECT 1")

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.fixture(autouse=True)
        def watched(database):
            with database.queries.expect(exactly=3) as seen:
                yield
            here = [fact.origin.function for fact in seen]
            assert [name for name in here if "test_" not in name and "ask" not in name] == []

        @pytest.mark.asyncio
        async def test_asyncio(database, async_db_session):
            for _ in range(3):
                await async_db_session.execute(ONE)

        @pytest.mark.anyio
        async def test_anyio(database, async_db_session):
            async def ask():
                async with database.async_engine.connect() as connection:
                    await connection.execute(ONE)

            async with anyio.create_task_group() as group:
                group.start_soon(ask)
                group.start_soon(ask)
            await async_db_session.execute(ONE)

        def test_a_loop_of_its_own(database):
            async def ask():
                engine = create_async_engine(database.url("asyncpg"))
                async with engine.connect() as connection:
                    await asyncio.gather(connection.execute(ONE))
                    await connection.execute(ONE)
                await engine.dispose()

            asyncio.run(ask())
            with database.session() as session:
                session.execute(ONE)

        def test_threads(database):
            def ask():
                with database.session() as session:
                    session.execute(ONE)

            threads = [threading.Thread(target=ask) for _ in range(3)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
    """,
    )
    suite.write("pytest.ini", "[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    suite.run("-n", "2").check(passed=4)
