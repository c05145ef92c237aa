"""Whole suites that change what belongs to the whole Postgres: roles, databases, settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.suites import Suite

if TYPE_CHECKING:
    from pathlib import Path

ENV = 'env = { DATABASE_URL = "{database.url:libpq}" }\n'
STATEMENTS = """
    import os
    import psycopg

    def run(*statements, database=None):
        url = os.environ["DATABASE_URL"]
        with psycopg.connect(url, autocommit=True, dbname=database or
                             url.rpartition("/")[2].partition("?")[0]) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def one(query):
        return run(query)[0][0]
"""


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """An empty suite with ``env``."""
    suite = Suite(tmp_path / "suite", statements=STATEMENTS)
    suite.configure(ENV)
    return suite


@pytest.mark.slow
def test_each_kind_is_an_error_of_its_test_and_put_back(suite: Suite) -> None:
    suite.write(
        "test_it.py",
        """
        import os
        import psycopg
        import pytest
        from statements import one, run

        NOW = '''SELECT array_agg(x ORDER BY x) FROM (
            SELECT rolname::text FROM pg_roles UNION ALL SELECT datname::text FROM pg_database
            UNION ALL SELECT concat(setdatabase, setrole, setconfig::text) FROM pg_db_role_setting
            UNION ALL SELECT pg_read_file('postgresql.auto.conf')) AS all_of_it (x)'''

        @pytest.fixture(scope="session")
        def clean():
            run("CREATE ROLE fixed", "CREATE TABLE rows (n int)")
            yield one(NOW)
            run("DROP ROLE fixed", "DROP TABLE rows")

        @pytest.mark.parametrize("statements", [
            ["CREATE ROLE bob", "CREATE DATABASE of_bob OWNER bob", "ALTER ROLE bob SET jit = on"],
            ["DO 'BEGIN CREATE ROLE hidden; END'"],
            ["CREATE DATABASE other"],
            ["ALTER SYSTEM SET work_mem = '7MB'", "SELECT pg_reload_conf()"],
            ["ALTER DATABASE testkit_main SET lock_timeout = '7s'"],
            ["ALTER ROLE fixed SET work_mem = '7MB'"],
            ["GRANT pg_monitor TO fixed"],
        ])
        def test_changes(clean, statements):
            run(*statements)

        def test_comes_after(clean):
            assert one(NOW) == clean
            assert one("SHOW work_mem") == "4MB"
            assert one("SHOW lock_timeout") == "2s"

        def test_leaves_a_transaction_as_well(clean):
            global left
            left = psycopg.connect(os.environ["DATABASE_URL"])
            left.execute("INSERT INTO rows VALUES (1)")
            run("CREATE ROLE late")

        def test_comes_after_that(clean):
            assert one(NOW) == clean

        def test_cleans_up(clean):
            run("CREATE ROLE brief", "DROP ROLE brief")
    """,
    )
    outcome = suite.run()

    outcome.check(code=1, error=8, passed=3)
    for words in (
        'role "bob" was created (put back)',
        'database "of_bob" was created (put back)',
        'role "late" was created (put back)',
        "TK302",
        'role "hidden" was created (put back)',
        'database "other" was created (put back)',
        "parameter work_mem of ALTER SYSTEM was set (put back)",
        'parameter lock_timeout of database "testkit_main" was changed (put back)',
        'parameter work_mem of role "fixed" was set (put back)',
        'membership of role "fixed" in "pg_monitor" was created (put back)',
    ):
        assert words in outcome.messages, outcome.text


@pytest.mark.slow
def test_what_cannot_be_put_back_is_said_to_stay_and_charged_once(suite: Suite) -> None:
    suite.write(
        "test_it.py",
        """
        import pytest
        from statements import one, run

        @pytest.fixture(scope="session", autouse=True)
        def role():
            run("CREATE ROLE fixed")

        def test_drops():
            run("DROP ROLE fixed")

        def test_comes_after():
            assert one("SELECT count(*) FROM pg_roles WHERE rolname = 'fixed'") == 0

        @pytest.mark.isolation("none")
        def test_is_not_undone():
            run("CREATE ROLE stays")
    """,
    )
    outcome = suite.run()

    outcome.check(code=1, error=1, passed=2)
    assert 'role "fixed" was dropped (it stays so)' in outcome.messages


@pytest.mark.slow
def test_another_worker_is_not_charged(suite: Suite) -> None:
    suite.write(
        "waiting.py",
        """
        import pathlib, time

        HERE = pathlib.Path(__file__).parent

        def say(name):
            (HERE / name).touch()

        def wait(name):
            end = time.monotonic() + 20
            while not (HERE / name).exists():
                assert time.monotonic() < end, name
    """,
    )
    suite.write(
        "test_culprit.py",
        """
        from statements import one, run
        from waiting import say, wait

        def test_changes():
            wait("begun")
            run("CREATE ROLE bob", "ALTER SYSTEM SET work_mem = '7MB'")
            say("changed")
            wait("ended")

        def test_comes_after():
            assert one("SELECT count(*) FROM pg_roles WHERE rolname = 'bob'") == 0
    """,
    )
    suite.write(
        "test_innocent.py",
        """
        from statements import one
        from waiting import say, wait

        def test_is_beside_it():
            say("begun")
            wait("changed")

        def test_begins_after_it():
            assert one("SELECT count(*) FROM pg_roles WHERE rolname = 'bob'") == 1
            say("ended")
    """,
    )
    outcome = suite.run("-n", "2", "--dist", "loadfile")

    outcome.check(code=1, error=1, passed=3)
    assert outcome.tests["test_culprit::test_changes"] == "error"
    assert 'role "bob" was created (put back)' in outcome.messages
    assert "parameter work_mem of ALTER SYSTEM was set (put back)" in outcome.messages


@pytest.mark.slow
def test_a_replaced_database_keeps_what_a_wider_fixture_had_set_on_it(suite: Suite) -> None:
    suite.write(
        "test_it.py",
        """
        import pytest
        from statements import one, run

        @pytest.fixture(scope="module")
        def tokyo():
            run("ALTER DATABASE testkit_main SET timezone = 'Asia/Tokyo'")
            yield
            run("ALTER DATABASE testkit_main RESET timezone")

        def test_changes_the_schema(tokyo):
            run("CREATE TABLE other (n int)")

        @pytest.mark.isolation("clone")
        def test_is_a_clone(tokyo):
            assert one("SHOW timezone") == "Asia/Tokyo"
            run("CREATE TABLE other (n int)")

        def test_last(tokyo):
            assert one("SHOW timezone") == "Asia/Tokyo"
            assert one("SELECT to_regclass('other')") is None
    """,
    )
    outcome = suite.run("-p", "no:randomly")

    outcome.check(passed=3)
