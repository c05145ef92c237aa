"""How long the databases of ``database.another()`` live, on every kind of server."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import psycopg
import pytest

from testkit.servers.ownership.marks import sweep_databases
from tests.support.suites import Suite
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

MODELS = """
    from sqlalchemy import Column, Integer, MetaData, Table

    metadata = MetaData()
    Table("shop", metadata, Column("id", Integer, primary_key=True))
"""
CONFTEST = """
    import pytest
    import testkit
    from sqlalchemy import text

    @pytest.fixture
    def here(postgres_server):
        def names():
            with postgres_server.connect() as connection:
                rows = connection.execute(
                    "SELECT datname FROM pg_database WHERE datname ~ 'another' ORDER BY 1")
                return [name for (name,) in rows]
        return names

    def add(database):
        with database.engine.begin() as connection:
            connection.execute(text("INSERT INTO shop DEFAULT VALUES"))

    def count(database):
        with database.engine.connect() as connection:
            return connection.scalar(text("SELECT count(*) FROM shop"))
"""
TESTS = """
    import pytest
    import testkit
    from conftest import add, count

    @testkit.shared
    def stock(database):
        stock = database.another()
        add(stock)
        return stock

    @pytest.fixture
    def own(database):
        another = database.another()
        yield another
        assert count(another) == 1

    @pytest.mark.parametrize("n", range(2))
    def test_it(n, own, stock, database, here):
        assert len(here()) == 2
        assert [count(each) for each in (own, stock, database)] == [0, 1 + n, 0]
        add(own)
        add(stock)

    def test_no_other_is_left(stock, here):
        assert here() == [stock.engine.url.database]

    @pytest.fixture(scope="class")
    def failing(database):
        database.another()
        raise ValueError("on purpose")

    class TestFailing:
        def test_it(self, failing):
            pass

    def test_nor_that_of_a_fixture_that_failed(here):
        assert len(here()) == 1
"""
AFTER = """
    def test_after(here):
        assert here() == []
"""
CONFIGURED = 'schema = "metadata:models:metadata"\n'


def suite_of(folder: Path, **files: str) -> Suite:
    suite = Suite(folder, models=MODELS, conftest=CONFTEST, **files)
    suite.configure(CONFIGURED)
    return suite


def databases_of(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT datname FROM pg_database WHERE datname ~ '^testkit_.*_main' "
            "AND datdba = (SELECT oid FROM pg_roles WHERE rolname = current_user)"
        ).fetchall()
    return [name for (name,) in rows]


@pytest.mark.slow
@pytest.mark.parametrize("isolation", ["reset", "rollback", "clone", "none"])
def test_one_goes_with_its_test_or_its_fixture(tmp_path: Path, isolation: str) -> None:
    suite = suite_of(tmp_path, test_a=TESTS, test_b=AFTER)
    suite.configure(CONFIGURED + f'isolation = "{isolation}"\n')
    outcome = suite.run("-p", "no:randomly")

    outcome.check(code=1, passed=5, error=1)
    assert "ValueError: on purpose" in outcome.text


@pytest.mark.slow
def test_each_worker_has_its_own(tmp_path: Path) -> None:
    suite = suite_of(
        tmp_path,
        test_it="""
        import pytest
        from conftest import add, count

        @pytest.mark.parametrize("n", range(6))
        def test_it(n, database):
            one, two = database.another(), database.another()
            add(one)
            assert (count(one), count(two)) == (1, 0)
        """,
    )
    suite.configure(CONFIGURED + 'env = { APP = "{database.url}" }\n')
    outcome = suite.run("-n", "2")

    outcome.check(passed=6)


@pytest.mark.slow
def test_on_a_server_of_others_none_is_left(tmp_path: Path, guest: str) -> None:
    suite = suite_of(tmp_path, test_a=TESTS, test_b=AFTER)
    suite.configure(CONFIGURED + f'postgres = "{guest}"\n')
    outcome = suite.run("-p", "no:randomly")

    outcome.check(code=1, passed=5, error=1)
    assert databases_of(guest) == []


@pytest.mark.slow
def test_those_of_a_killed_run_are_removed_there(tmp_path: Path, guest: str) -> None:
    suite = suite_of(
        tmp_path,
        test_it="""
        import pathlib, threading

        def test_it(database):
            database.another()
            pathlib.Path("waits").touch()
            threading.Event().wait(60)
        """,
    )
    suite.configure(CONFIGURED + f'postgres = "{guest}"\n')
    run = suite.start()
    wait_until(lambda: (suite.folder / "waits").exists() or run.poll() is not None, seconds=60)
    with psycopg.connect(guest, autocommit=True) as connection:
        before, alive = databases_of(guest), sweep_databases(connection)
        run.send_signal(signal.SIGKILL)
        run.wait(30)
        removed = sweep_databases(connection)

    assert alive == []
    assert sorted(removed) == sorted(before)
    assert len(before) == 2
    assert databases_of(guest) == []


@pytest.mark.slow
@pytest.mark.parametrize(("leaks", "outcomes"), [("error", {"error": 1}), ("warn", {"passed": 1})])
def test_a_transaction_left_open_in_one_is_a_leak(
    tmp_path: Path, leaks: str, outcomes: dict[str, int]
) -> None:
    suite = suite_of(
        tmp_path,
        test_it="""
        from sqlalchemy import text

        left = []

        def test_it(database):
            left.append(database.another().session())
            left[0].execute(text("INSERT INTO shop DEFAULT VALUES"))

        def test_next(here):
            assert here() == []
        """,
    )
    suite.configure(CONFIGURED + f'leaks = "{leaks}"\n')
    outcome = suite.run("-p", "no:randomly")

    assert outcome.text.count("TK302") >= 1, outcome.text
    assert "__another1" in outcome.text
    assert "checked out at test_it.py:8 in test_it" in outcome.text
    assert ("1 error" in outcome.text, "2 passed" in outcome.text) == ("error" in outcomes, True)


@pytest.mark.slow
def test_who_holds_a_lock_in_one_is_told(tmp_path: Path) -> None:
    suite = suite_of(
        tmp_path,
        test_it="""
        from sqlalchemy import text

        def test_it(database):
            another = database.another()
            with another.engine.connect() as one, another.engine.connect() as two:
                one.execute(text("LOCK TABLE shop"))
                two.execute(text("SELECT count(*) FROM shop"))
        """,
    )
    outcome = suite.run()

    outcome.check(code=1, failed=1)
    assert "TK307" in outcome.text
    told = outcome.text.partition("TK307")[2].partition("why:")[0]
    assert "last statement: LOCK TABLE shop" in told
    assert "where: database testkit_main__another1\n" in told
