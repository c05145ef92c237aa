"""The isolation ``clone``: a test's database is thrown away, by a marker or for every test."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

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
    import atexit
    import os
    import pathlib
    import threading
    import pytest
    from sqlalchemy import create_engine, text

    ENGINE = create_engine(os.environ["APP_URL"].replace("postgresql:", "postgresql+psycopg:"))

    def said(query):
        with ENGINE.begin() as connection:
            return connection.execute(text(query)).scalar()

    @pytest.fixture
    def ask():
        return said

    @pytest.fixture(scope="module")
    def standing():
        with ENGINE.begin() as connection:
            connection.execute(text("INSERT INTO shop VALUES (100)"))

    @pytest.fixture
    def spoil():
        def all_of_it():
            name = ENGINE.url.database
            with ENGINE.begin() as connection:
                connection.execute(text("INSERT INTO shop DEFAULT VALUES"))
                connection.execute(text("ALTER TABLE shop ADD COLUMN late int"))
                connection.execute(text(f"ALTER DATABASE {name} SET work_mem = '7MB'"))
        return all_of_it

    @pytest.fixture
    def clean():
        def check(rows):
            assert said("SELECT count(*) FROM shop") == rows
            assert said("SELECT count(*) FROM information_schema.columns"
                        " WHERE table_name = 'shop'") == 1
            assert said("SHOW work_mem") != "7MB"
            assert said("SHOW lock_timeout") == "2s"
            assert said("SELECT last_value FROM shop_id_seq") == 1
        return check

    @atexit.register
    def tell():
        names = [thread.name for thread in threading.enumerate()]
        pathlib.Path("threads").write_text("\\n".join(names))
"""
TESTS = """
    import pytest

    @pytest.mark.isolation("clone")
    class TestClone:
        @pytest.mark.parametrize("n", range(3))
        def test_it(self, n, standing, spoil, clean):
            clean(1)
            spoil()

    def test_after(standing, clean):
        clean(1)
"""
ASYNC = """
    import pytest

    @pytest.mark.asyncio
    @pytest.mark.parametrize("n", range(2))
    async def test_it(n, database):
        async with database.async_session() as session:
            from sqlalchemy import text
            await session.execute(text("CREATE TABLE once (id int)"))
            await session.commit()
"""
DRIVER = 'schema = "metadata:models:metadata"\nenv = {APP_URL = "{database.url}"}\n'
MARKED = DRIVER
ALWAYS = DRIVER + 'isolation = "clone"\n'


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    suite = Suite(tmp_path)
    suite.write("models.py", MODELS)
    suite.write("conftest.py", CONFTEST)
    suite.write("test_it.py", TESTS)
    suite.configure(MARKED)
    return suite


def threads(suite: Suite) -> list[str]:
    return (suite.folder / "threads").read_text().splitlines()


@pytest.mark.slow
def test_a_marked_test_has_a_database_that_is_thrown_away(suite: Suite) -> None:
    outcome = suite.run("-p", "no:randomly")

    outcome.check(passed=4)
    assert threads(suite) == ["MainThread"]


@pytest.mark.slow
def test_every_test_has_one_where_that_is_configured(suite: Suite) -> None:
    suite.configure(ALWAYS)
    suite.write("test_it.py", TESTS.replace('@pytest.mark.isolation("clone")', ""))
    suite.write("test_async.py", ASYNC)
    outcome = suite.run("-p", "no:randomly")

    outcome.check(passed=6)


@pytest.mark.slow
def test_each_worker_exchanges_its_own(suite: Suite) -> None:
    suite.write("test_other.py", TESTS)
    outcome = suite.run("-n", "2")

    outcome.check(passed=8)


@pytest.mark.slow
def test_an_interrupt_ends_the_run_with_its_spares(suite: Suite) -> None:
    suite.write(
        "test_it.py",
        """
        import pathlib, pytest, threading

        @pytest.mark.isolation("clone")
        def test_it(spoil):
            spoil()

        @pytest.mark.isolation("clone")
        def test_waits(spoil):
            spoil()
            pathlib.Path("waits").touch()
            threading.Event().wait(60)
        """,
    )
    run = suite.start("-p", "no:randomly")
    wait_until(lambda: (suite.folder / "waits").exists() or run.poll() is not None, seconds=60)
    run.send_signal(signal.SIGINT)

    assert run.wait(30) == pytest.ExitCode.INTERRUPTED
    assert threads(suite) == ["MainThread"]
