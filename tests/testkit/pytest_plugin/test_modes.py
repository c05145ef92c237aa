"""The marker ``isolation``: which tests are undone, and what those leave that are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.suites import Suite

if TYPE_CHECKING:
    from pathlib import Path

MODELS = """
    from sqlalchemy import Column, Integer, MetaData, Table

    metadata = MetaData()
    Table("shop", metadata, Column("id", Integer, primary_key=True))
"""
ADDED = """
    from sqlalchemy import text

    def added(database, client):
        with database.engine.begin() as connection:
            connection.execute(text("INSERT INTO shop DEFAULT VALUES"))
            return (
                connection.execute(text("SELECT count(*) FROM shop")).scalar_one(),
                client.incr("count"),
            )
"""
ONE, TWO, THREE = (
    f"def test_{name}(database, redis_client):\n"
    f"    assert added(database, redis_client) == ({number}, {number})\n"
    for number, name in enumerate(("one", "two", "three"), 1)
)
OLD = 'import pytest\npytestmark = pytest.mark.isolation("none")\n'
IMPORT = "from added import added\n"


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    suite = Suite(tmp_path)
    suite.write("models.py", MODELS)
    suite.write("added.py", ADDED)
    suite.write("conftest.py", "import sys, pathlib; sys.path.insert(0, str(pathlib.Path.cwd()))")
    suite.configure('schema = "metadata:models:metadata"')
    return suite


@pytest.mark.slow
def test_a_module_lives_on_its_own_leftovers_and_leaves_none_to_others(suite: Suite) -> None:
    suite.write("test_a_new.py", IMPORT + ONE)
    suite.write("test_b_old.py", OLD + IMPORT + ONE + TWO + THREE)
    suite.write("test_c_new.py", IMPORT + ONE)
    outcome = suite.run("-p", "no:randomly")

    outcome.check(passed=5)
    assert "testkit: 3 tests ran without isolation, by their marker" in outcome.text


@pytest.mark.slow
def test_a_folder_says_so_in_its_conftest_and_the_nearest_marker_wins(suite: Suite) -> None:
    suite.write("old/conftest.py", OLD)
    suite.write("old/deep/test_it.py", IMPORT + ONE + TWO)
    suite.write(
        "old/test_later.py",
        IMPORT
        + THREE
        + 'import pytest\n@pytest.mark.isolation("reset")\n'
        + ONE.replace("test_one", "test_undone")
        + ONE.replace("test_one", "test_again"),
    )
    suite.write("test_other.py", IMPORT + ONE)
    outcome = suite.run("-p", "no:randomly")

    outcome.check(passed=6)
    assert "testkit: 4 tests ran without isolation" in outcome.text


@pytest.mark.slow
def test_what_wider_fixtures_and_snapshots_hold_does_not_take_leftovers_along(
    suite: Suite,
) -> None:
    suite.write(
        "test_it.py",
        OLD
        + IMPORT
        + """
import pytest

@pytest.fixture(scope="class")
def of_class(request):
    yield

class TestIt:
    def test_one(self, database, redis_client, of_class):
        assert added(database, redis_client) == (1, 1)
        database.snapshot()

    def test_two(self, database, redis_client, of_class):
        assert added(database, redis_client) == (2, 2)

def test_three(database, redis_client):
    assert added(database, redis_client) == (3, 3)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE shop ADD COLUMN late int")

def test_four(database, redis_client):
    assert added(database, redis_client) == (4, 4)

@pytest.mark.isolation("reset")
def test_five(database, redis_client):
    assert added(database, redis_client) == (1, 1)
    with database.engine.begin() as connection:
        names = connection.exec_driver_sql("SELECT * FROM shop").keys()
    assert list(names) == ["id"]
""",
    )
    outcome = suite.run("-p", "no:randomly")

    outcome.check(passed=5)


@pytest.mark.slow
def test_the_controller_of_xdist_counts_them_all(suite: Suite) -> None:
    suite.write("test_it.py", OLD + IMPORT + "".join(f"def test_{n}(): pass\n" for n in range(5)))
    outcome = suite.run("-n", "2")

    outcome.check(passed=5)
    assert "testkit: 5 tests ran without isolation, by their marker" in outcome.text


@pytest.mark.parametrize(
    "marker",
    [
        'isolation("all")',
        *(
            pytest.param(marker, marks=pytest.mark.slow)
            for marker in ("isolation()", 'isolation("none", 1)', 'isolation(mode="none")')
        ),
    ],
)
def test_a_marker_that_says_nothing_sensible_ends_the_run_before_its_first_test(
    suite: Suite, marker: str
) -> None:
    suite.write("test_it.py", f"import pytest\n@pytest.mark.{marker}\ndef test_it(): pass\n")
    outcome = suite.run()

    outcome.check(code=4)
    assert "TK308: @pytest.mark.isolation(" in outcome.text
    assert 'it takes one of "reset", "rollback", "clone", "none"' in outcome.text
    assert "test_it.py::test_it" in outcome.text


def test_without_a_journal_no_test_can_ask_for_one(suite: Suite) -> None:
    suite.configure('isolation = "none"')
    suite.write(
        "test_it.py", 'import pytest\n@pytest.mark.isolation("reset")\ndef test_it(): pass\n'
    )
    outcome = suite.run()

    outcome.check(code=4)
    assert (
        "TK308: @pytest.mark.isolation('reset'): isolation = 'none' is configured" in outcome.text
    )


@pytest.mark.slow
def test_leftovers_of_several_tests_may_be_changes_of_the_schema(suite: Suite) -> None:
    suite.write(
        "test_it.py",
        """
        import pytest
        from sqlalchemy import text

        def columns(database):
            with database.engine.connect() as connection:
                return connection.scalar(text(
                    "SELECT count(*) FROM information_schema.columns WHERE table_name ~ '^left_'"))

        @pytest.mark.isolation("none")
        @pytest.mark.parametrize("n", range(3))
        def test_leaves(database, n):
            with database.engine.begin() as connection:
                connection.execute(text(f"CREATE TABLE left_{n} (late_{n} int)"))
            assert columns(database) == n + 1

        def test_undone(database):
            assert columns(database) == 0
        """,
    )

    suite.run().check(passed=4)


@pytest.mark.slow
def test_wider_fixtures_among_leftovers_may_change_the_schema_too(suite: Suite) -> None:
    begin = OLD + "from sqlalchemy import text\n"
    suite.write(
        "conftest.py",
        """
        import pytest
        from sqlalchemy import text

        @pytest.fixture
        def run(database):
            def send(statement):
                with database.engine.begin() as connection:
                    found = connection.execute(text(statement))
                    return found.scalar() if found.returns_rows else None
            return send
        """,
    )
    suite.write(
        "test_1.py",
        begin
        + """
def test_one(run):
    run("CREATE TABLE left_1 (id int)")

@pytest.fixture(scope="module")
def of_module():
    pass

def test_two(of_module, run):
    run("CREATE TABLE left_2 (id int)")
""",
    )
    suite.write(
        "test_2.py",
        begin
        + """
@pytest.fixture(scope="module")
def row(database):
    with database.engine.begin() as connection:
        connection.execute(text("INSERT INTO shop DEFAULT VALUES"))

def test_three(row, run):
    run("INSERT INTO shop DEFAULT VALUES")
    run("ALTER TABLE shop ADD COLUMN late int")
""",
    )
    for number in (3, 4):
        suite.write(
            f"test_{number}.py",
            begin
            + """
@pytest.fixture(scope="module", autouse=True)
def tables(database):
    with database.engine.begin() as connection:
        connection.execute(text("CREATE TABLE of_module (id int)"))
    yield
    with database.engine.begin() as connection:
        connection.execute(text("DROP TABLE of_module"))

def test_four(run):
    run("INSERT INTO of_module VALUES (1)")
""",
        )
    suite.write(
        "test_5.py",
        """
        def test_undone(run):
            assert run("SELECT count(*) FROM shop") == 0
            assert run("SELECT count(*) FROM pg_class WHERE relname ~ '^(left_|of_module)'") == 0
            assert run(
                "SELECT count(*) FROM information_schema.columns WHERE table_name = 'shop'") == 1
        """,
    )

    suite.run("-p", "no:randomly").check(passed=6)
