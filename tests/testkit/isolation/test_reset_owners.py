"""What a wider-scoped fixture committed stays until that fixture ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testkit.core.messages import TestkitError
from tests.support.journalled import PEOPLE, journalled

if TYPE_CHECKING:
    from testkit.servers.postgres import PostgresServer


def test_claimed_changes_stay_until_their_owner_ends(server: PostgresServer) -> None:
    with journalled(server, *PEOPLE) as database:
        empty = database.contents()
        since = database.reset.snapshot()
        database.run(
            "INSERT INTO people (name) VALUES ('shared')", "DELETE FROM people WHERE id = 1"
        )
        database.reset.claim(1, since=since, who="a module's fixture")
        shared = database.contents()
        for _ in range(2):
            database.run(
                "UPDATE people SET name = 'changed' WHERE name = 'shared'",
                "INSERT INTO people (name) VALUES ('mine')",
                "DELETE FROM people WHERE id = 2",
            )
            database.reset.finish("a test")

            assert database.contents() == shared

        database.run("DELETE FROM people WHERE name = 'shared'")  # the fixture's own teardown
        database.reset.end(1)

        assert database.contents() == empty


def test_an_owner_may_claim_again(server: PostgresServer) -> None:
    with journalled(server, *PEOPLE) as database:
        empty = database.contents()
        for turn in range(2):
            database.run(
                "INSERT INTO people (name) VALUES ('more')"
                if not turn
                else "UPDATE people SET name = 'again' WHERE name = 'more'",
                "SELECT nextval('people_id_seq')",
            )
            database.reset.claim(1, since=None, who="tests that are not undone")
        kept = database.contents()
        database.run("DELETE FROM people", "SELECT nextval('people_id_seq')")
        database.reset.finish("a test")
        assert database.contents() == kept

        database.reset.end(1)

        assert database.contents() == empty


def test_owners_may_end_in_any_order(server: PostgresServer) -> None:
    with journalled(server, *PEOPLE) as database:
        empty = database.contents()
        for owner in (1, 2, 3):
            since = database.reset.snapshot()
            database.run(f"INSERT INTO people (name) VALUES ('of {owner}')")
            database.reset.claim(owner, since=since, who=f"fixture {owner}")
        for owner in (2, 1, 3):
            database.reset.end(owner)
            rows = str(database.contents()["public.people"])

            assert f"of {owner}" not in rows

        assert database.contents() == empty


def test_a_claim_takes_only_what_came_after_its_line(server: PostgresServer) -> None:
    with journalled(server, *PEOPLE) as database:
        database.run("INSERT INTO people (name) VALUES ('of the test')")
        since = database.reset.snapshot()
        database.run("INSERT INTO people (name) VALUES ('of the fixture')")
        database.reset.claim(1, since=since, who="a fixture asked for late")
        database.reset.finish("a test")
        rows = str(database.contents()["public.people"])

        assert "of the fixture" in rows
        assert "of the test" not in rows


def test_tables_made_by_a_fixture_are_put_under_watch(server: PostgresServer) -> None:
    with journalled(server, *PEOPLE) as database:
        since = database.reset.snapshot()
        database.run(
            "CREATE TABLE late (id serial PRIMARY KEY, name text)",
            "INSERT INTO late (name) VALUES ('of the fixture')",
            "ALTER TABLE people ADD COLUMN age int DEFAULT 3",
        )
        database.reset.claim(1, since=since, who="session fixture tables")
        before = database.contents()
        database.run("INSERT INTO late (name) VALUES ('x')", "UPDATE people SET age = 4")
        database.reset.finish("a test")

        assert database.contents() == before


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
@pytest.mark.parametrize(
    "second",
    [
        "UPDATE people SET name = 'changed' WHERE id = 77",
        "DELETE FROM people WHERE id = 77",
        "UPDATE people SET id = 78 WHERE id = 77",
    ],
)
def test_a_row_of_one_owner_that_another_changed_is_gone_when_both_have_ended(
    server: PostgresServer, order: tuple[int, int], second: str
) -> None:
    with journalled(server, *PEOPLE) as database:
        before = database.contents()
        steps = ("INSERT INTO people (id, name) VALUES (77, 'of one')", second)
        for owner, step in enumerate(steps, 1):
            since = database.reset.snapshot()
            database.run(step)
            database.reset.claim(owner, since=since, who=f"fixture {owner}")
        for owner in order:
            database.reset.end(owner)
            database.reset.finish("a test between")

        assert database.contents() == before


MOVES = {
    "a changed key, then a change of that row": (
        "CREATE TABLE t (id int PRIMARY KEY, name text UNIQUE); INSERT INTO t VALUES (1, 'ada')",
        "UPDATE t SET id = 100 WHERE id = 1",
        "UPDATE t SET name = name || '!' WHERE id = 100",
    ),
    "a changed key with nothing else unique": (
        "CREATE TABLE t (id text PRIMARY KEY, n int); INSERT INTO t VALUES ('old', 1)",
        "UPDATE t SET id = 'new' WHERE id = 'old'",
        "UPDATE t SET n = 3 WHERE id = 'new'",
    ),
    "a key that is equal but reads otherwise": (
        "CREATE TABLE t (id numeric PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1)",
        "UPDATE t SET id = 1.0",
        "UPDATE t SET id = 1.00, n = 2",
    ),
    "a unique value that another took over": (
        "CREATE TABLE t (id int PRIMARY KEY, name text UNIQUE); INSERT INTO t VALUES (1, 'ada')",
        "UPDATE t SET name = 'was ada' WHERE id = 1",
        "INSERT INTO t VALUES (2, 'ada')",
    ),
    "a row that went and came again": (
        "CREATE TABLE t (id int PRIMARY KEY, name text); INSERT INTO t VALUES (1, 'ada')",
        "DELETE FROM t",
        "INSERT INTO t VALUES (1, 'bob')",
    ),
    "equal rows without a key": (
        "CREATE TABLE t (n int); INSERT INTO t VALUES (1), (1)",
        "UPDATE t SET n = 2",
        "UPDATE t SET n = 3",
    ),
}


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
@pytest.mark.parametrize("name", MOVES)
def test_owners_that_touch_the_same_rows_leave_nothing(
    server: PostgresServer, name: str, order: tuple[int, int]
) -> None:
    schema, *steps = MOVES[name]
    with journalled(server, schema) as database:
        before = database.contents()
        for owner, step in enumerate(steps, 1):
            since = database.reset.snapshot()
            database.run(step)
            database.reset.claim(owner, since=since, who=f"fixture {owner}")
        for owner in order:
            database.reset.end(owner)
            database.run("INSERT INTO t SELECT * FROM t WHERE false")
            database.reset.finish("a test between")

        assert database.contents() == before


def test_what_one_fixture_flushed_and_a_later_one_committed_is_theirs(
    server: PostgresServer,
) -> None:
    with journalled(server, *PEOPLE) as database, database.connect() as session:
        empty = database.contents()
        since = database.reset.snapshot()
        session.execute("BEGIN")
        session.execute("INSERT INTO people (name) VALUES ('flushed')")
        database.reset.claim(1, since=since, who="a fixture that flushes")
        since = database.reset.snapshot()
        session.execute("INSERT INTO people (name) VALUES ('committed')")
        session.execute("COMMIT")
        database.reset.claim(2, since=since, who="a fixture that commits")
        both = database.contents()
        database.reset.finish("a test")

        assert database.contents() == both

        database.reset.end(2)
        database.reset.end(1)

        assert database.contents() == empty


def test_a_row_of_the_test_that_a_fixture_changed_goes_with_the_test(
    server: PostgresServer,
) -> None:
    with journalled(server, *PEOPLE) as database:
        before = database.contents()
        database.run("INSERT INTO people (id, name) VALUES (77, 'of the test')")
        since = database.reset.snapshot()
        database.run("UPDATE people SET score = 1", "INSERT INTO people (name) VALUES ('mine')")
        database.reset.claim(1, since=since, who="a module's fixture, asked for late")
        database.reset.finish("a test")
        between = str(database.contents()["public.people"])
        database.reset.end(1)

        assert "mine" in between
        assert "of the test" not in between
        assert database.contents() == before


def test_rows_that_an_owner_deleted_come_back_with_its_end_whatever_others_share(
    server: PostgresServer,
) -> None:
    with journalled(server, *PEOPLE) as database:
        before = database.contents()
        steps = (
            ("INSERT INTO people (id, name) VALUES (9, 'kept')",),
            ("INSERT INTO people (id, name) VALUES (5, 'A')", "DELETE FROM people WHERE id = 9"),
            ("UPDATE people SET name = 'B' WHERE id = 5",),
        )
        for owner, statements in enumerate(steps, 1):
            since = database.reset.snapshot()
            database.run(*statements)
            database.reset.claim(owner, since=since, who=f"fixture {owner}")
        database.reset.end(2)
        between = str(database.contents()["public.people"])
        database.reset.end(3)
        database.reset.end(1)

        assert "kept" in between
        assert database.contents() == before


def test_a_value_that_a_fixture_took_from_a_test_is_no_error_of_later_tests(
    server: PostgresServer,
) -> None:
    with journalled(server, *PEOPLE) as database:
        before = database.contents()
        database.run("DELETE FROM people WHERE name = 'ada'")
        since = database.reset.snapshot()
        database.run("INSERT INTO people (id, name) VALUES (9, 'ada')")
        database.reset.claim(1, since=since, who="a module's fixture, asked for late")
        for _ in range(2):
            database.reset.finish("a test")
        database.reset.end(1)

        assert database.contents() == before


@pytest.mark.parametrize(
    "ddl",
    [
        "DROP TABLE people; CREATE TABLE people (id serial PRIMARY KEY, name text)",
        "ALTER SEQUENCE people_id_seq RENAME TO numbers",
        "DROP TABLE people",
    ],
)
def test_a_fixture_may_make_the_tables_anew(server: PostgresServer, ddl: str) -> None:
    other = "CREATE TABLE other (id serial, name text)"
    with journalled(server, *PEOPLE, other) as database:
        since = database.reset.snapshot()
        database.run(ddl, "INSERT INTO other (name) VALUES ('of the fixture')")
        database.reset.claim(1, since=since, who="a session's fixture")
        before = database.contents()
        database.run("INSERT INTO other (name) VALUES ('of the test')")
        database.reset.finish("a test")

        assert database.contents() == before


def test_a_fixture_that_changes_the_schema_keeps_the_numbers_that_it_drew(
    server: PostgresServer,
) -> None:
    with journalled(server, *PEOPLE) as database:
        before = database.contents()
        since = database.reset.snapshot()
        database.run("INSERT INTO people (name) VALUES ('x')", "ALTER TABLE people ADD late int")
        database.run("CREATE TABLE other (id serial)", "INSERT INTO other DEFAULT VALUES")
        database.reset.claim(1, since=since, who="a fixture")
        during = database.contents()
        database.run("INSERT INTO people (name) VALUES ('y')", "INSERT INTO other DEFAULT VALUES")
        database.reset.finish("a test")
        after = database.contents()
        database.reset.end(1)

        assert after == during
        assert database.contents() == before


@pytest.mark.slow
def test_owners_that_end_together_may_all_have_changed_the_schema(server: PostgresServer) -> None:
    with journalled(server, *PEOPLE) as database:
        empty = database.contents()
        for owner in (1, 2, 3):
            database.run(
                "INSERT INTO people (name) VALUES ('shared')"
                if owner == 2
                else f"CREATE TABLE late_{owner} (id int)"
            )
            database.reset.claim(owner, since=None, who=f"owner {owner}")
        database.reset.end(3, may_wait=True)
        waits, kept = [database.reset.waits], database.contents()
        database.reset.end(3, 1)
        waits.append(database.reset.waits)
        shared = database.contents()

        assert waits == [True, False]
        assert len(kept) > len(empty)
        assert shared.keys() == empty.keys()
        assert shared != empty

        database.reset.end(2)

        assert database.contents() == empty


@pytest.mark.slow
def test_rows_that_need_a_column_that_goes_are_told(server: PostgresServer) -> None:
    with journalled(server, *PEOPLE) as database:
        empty = database.contents()
        database.run("ALTER TABLE people ADD late int")
        database.reset.claim(1, since=None, who="a test that is not undone")
        database.run("INSERT INTO people (name) VALUES ('shared')")
        database.reset.claim(2, since=None, who="a module's fixture")

        with pytest.raises(TestkitError, match=r"TK309: After a test .* a module's fixture"):
            database.reset.end(1)

        assert database.contents() == empty
