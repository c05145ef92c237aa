"""The isolation ``rollback``: a test runs in one transaction, by a marker or for every test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.suites import Suite

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

CONFIGURATION = """
    schema = "metadata:shop:metadata"
    isolation = "rollback"
    env = { DATABASE_URL = "{database.url}", PLAIN_URL = "{database.url:libpq}" }
"""
SHOP = """
    import os
    from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, text
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.orm import scoped_session, sessionmaker

    metadata = MetaData()
    Table("shop", metadata, Column("id", Integer, primary_key=True),
          Column("name", String(50), unique=True))
    engine = async_engine = Session = None
    if "DATABASE_URL" in os.environ:
        engine = create_engine(os.environ["DATABASE_URL"])
        async_engine = create_async_engine(os.environ["DATABASE_URL"])
        Session = scoped_session(sessionmaker(engine))

    def add(name):
        with engine.begin() as connection:
            connection.execute(text("INSERT INTO shop (name) VALUES (:name)"), {"name": name})

    def names():
        with engine.connect() as connection:
            return list(connection.scalars(text("SELECT name FROM shop ORDER BY name")))
"""


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    found = Suite(tmp_path / "a suite", shop=SHOP)
    found.configure(CONFIGURATION)
    found.write("pytest.ini", "[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    return found


def test_what_is_committed_is_gone_behind_each_test(suite: Suite) -> None:
    suite.write(
        "test_it.py",
        """
        import asyncio
        import pytest
        from sqlalchemy import text
        import shop

        def check():
            assert shop.names() == []
            shop.add("a")
            assert shop.names() == ["a"]
            with pytest.raises(Exception, match="shop_name_key"):
                shop.add("a")
            with shop.engine.connect() as connection:
                # Sequences go on behind a rollback, and are put back by the reset below.
                assert connection.scalar(text("SELECT last_value FROM shop_id_seq")) == 2

        @pytest.mark.parametrize("n", range(3))
        def test_sync(n):
            check()

        @pytest.mark.asyncio
        @pytest.mark.parametrize("n", range(3))
        async def test_async(n, db_session, async_db_session):
            check()
            db_session.execute(text("INSERT INTO shop (name) VALUES ('b')"))
            db_session.commit()
            await async_db_session.execute(text("INSERT INTO shop (name) VALUES ('c')"))
            await async_db_session.commit()
            async with shop.async_engine.begin() as connection:
                await connection.execute(text("INSERT INTO shop (name) VALUES ('d')"))
            assert shop.names() == ["a", "b", "c", "d"]
            await shop.async_engine.dispose()

        @pytest.mark.isolation("reset")
        def test_with_real_commits():
            check()

        @pytest.mark.isolation("clone")
        def test_on_a_clone():
            check()

        def test_ddl():
            check()
            with shop.engine.begin() as connection:
                connection.execute(text("ALTER TABLE shop ADD COLUMN late int"))
                connection.execute(text("TRUNCATE shop"))
        """,
    )

    for _ in range(2):
        outcome = suite.run("-p", "randomly", "-W", "error")
        outcome.check(passed=9)
        assert "TK3" not in outcome.text


def test_rows_of_a_wider_fixture_stay_while_it_does(suite: Suite) -> None:
    suite.write(
        "test_it.py",
        """
        import pytest
        import shop

        @pytest.fixture(scope="module")
        def standing():
            shop.add("standing")
            yield
            shop.add("teardown")

        @pytest.fixture
        def early():
            shop.add("early")

        def test_before():
            assert shop.names() == []
            shop.add("x")

        def test_set_up_in_the_middle(early, request):
            request.getfixturevalue("standing")
            assert shop.names() == ["early", "standing"]

        @pytest.mark.isolation("reset")
        def test_with_real_commits(standing):
            assert shop.names() == ["standing"]
            shop.add("y")

        def test_after(standing):
            assert shop.names() == ["standing"]
        """,
    )
    suite.write("test_last.py", "import shop\ndef test_it():\n    assert shop.names() == []\n")

    suite.run("-W", "error").check(passed=5)


def test_what_it_cannot_show_is_a_warning_and_in_the_report_of_a_failed_test(suite: Suite) -> None:
    suite.write(
        "test_it.py",
        """
        import os
        import psycopg
        from sqlalchemy import text
        import shop

        def test_warned():
            with shop.engine.begin() as connection:
                connection.execute(text("NOTIFY done"))

        def test_failed():
            with shop.engine.begin() as connection:
                connection.execute(text("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"))
            assert False

        def test_another_connection_commits():
            shop.add("mine")
            with psycopg.connect(os.environ["PLAIN_URL"]) as connection:
                connection.execute("INSERT INTO shop (name) VALUES ('theirs')")
            assert shop.names() == ["mine", "theirs"]

        def test_it_is_undone():
            assert shop.names() == []
        """,
    )

    outcome = suite.run("-W", "default")

    outcome.check(code=1, passed=3, failed=1)
    assert outcome.text.count("RollbackWarning: TK373") == 1
    assert outcome.text.count("RollbackWarning: TK372") == 1
    assert "Another connection has committed something" in outcome.text
    assert "TK375" in outcome.text
    assert "RollbackWarning: TK375" not in outcome.text
    suite.run("-W", "error", "-k", "warned").check(code=1, error=1)


def test_leaks_and_ends_are_errors_of_the_right_test(suite: Suite) -> None:
    suite.write(
        "test_it.py",
        """
        import pytest
        from sqlalchemy import text
        import shop

        def test_checkout():
            shop.left = shop.engine.connect()
            shop.left.execute(text("SELECT 1"))

        def test_after_checkout():
            assert shop.names() == []
            with pytest.raises(Exception, match="the connection is closed"):
                shop.left.execute(text("SELECT 1"))
            shop.left.close()

        def test_scoped_session():
            shop.Session.execute(text("INSERT INTO shop (name) VALUES ('a')"))

        def test_after_scoped_session():
            assert shop.names() == []
            shop.Session.remove()
            shop.Session.execute(text("INSERT INTO shop (name) VALUES ('a')"))
            shop.Session.commit()
            assert shop.names() == ["a"]
            shop.Session.remove()

        def test_ended():
            with shop.engine.connect() as connection:
                connection.exec_driver_sql("INSERT INTO shop (name) VALUES ('a'); COMMIT")

        def test_after_it_was_ended():
            assert shop.names() == []

        @pytest.mark.leaks("warn")
        def test_warned():
            shop.left = shop.engine.connect()

        def test_no_snapshots(database):
            with pytest.raises(Exception, match="TK306"):
                database.snapshot()
        """,
    )

    outcome = suite.run()

    outcome.check(code=1, passed=5, error=3)
    for name, code in (("checkout", "TK302"), ("scoped_session", "TK302"), ("ended", "TK377")):
        assert f"ERROR test_it.py::test_{name} - Failed: {code}" in outcome.text
    assert "LeakWarning: TK302" in outcome.text


def test_without_env_and_by_a_marker(suite: Suite) -> None:
    suite.configure('schema = "metadata:shop:metadata"\n')
    suite.write(
        "test_it.py",
        """
        import pytest
        from sqlalchemy import text

        @pytest.mark.isolation("rollback")
        @pytest.mark.parametrize("n", range(2))
        def test_it(database, n):
            with database.engine.begin() as connection:
                connection.execute(text("INSERT INTO shop (name) VALUES ('a')"))
            with database.session() as session:
                assert session.scalar(text("SELECT count(*) FROM shop")) == 1
                first = session.scalar(text("SELECT pg_backend_pid()"))
            with database.engine.connect() as one, database.engine.connect() as other:
                pids = {c.scalar(text("SELECT pg_backend_pid()")) for c in (one, other)}
            assert pids == {first}

        def test_with_real_commits(database):
            with database.engine.connect() as one, database.engine.connect() as other:
                assert len({c.scalar(text("SELECT pg_backend_pid()")) for c in (one, other)}) == 2
        """,
    )

    suite.run("-W", "error").check(passed=3)
