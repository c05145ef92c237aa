"""Rows that are not easily told apart, or not easily put back."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from testkit.isolation.reset import DatabaseReset
from tests.support.journalled import journalled
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from testkit.servers.postgres import PostgresServer

POSITIVE = "CREATE DOMAIN positive AS int CHECK (VALUE > 0)"
KEYS = {
    "a key that includes a NULL": (
        "CREATE TABLE t (id int, note text, PRIMARY KEY (id) INCLUDE (note))",
        "INSERT INTO t VALUES (9, NULL)",
    ),
    "a key that includes what has no equal": (
        "CREATE TABLE t (id int, note json, PRIMARY KEY (id) INCLUDE (note))",
        "INSERT INTO t VALUES (9, '{}')",
    ),
    "a type whose schema is not on the path": (
        "CREATE SCHEMA ext; CREATE EXTENSION ltree SCHEMA ext; CREATE TABLE t (id ext.ltree PRIMARY KEY)",
        "INSERT INTO t VALUES ('a.b')",
    ),
    "equal whatever the case": (
        "CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext;"
        " CREATE TABLE t (id ext.citext PRIMARY KEY); CREATE TABLE c (id ext.citext REFERENCES t);"
        " INSERT INTO t VALUES ('a'); INSERT INTO c VALUES ('A')",
        "UPDATE t SET id = 'A'",
    ),
    "equal whatever the case, beside a domain": (
        f"CREATE EXTENSION citext; {POSITIVE}; CREATE TABLE t (id citext PRIMARY KEY, n positive);"
        " CREATE TABLE c (id citext REFERENCES t); INSERT INTO t VALUES ('a', 1);"
        " INSERT INTO c VALUES ('A')",
        "UPDATE t SET id = 'A'",
    ),
}


@pytest.mark.parametrize("name", KEYS)
def test_rows_are_told_apart_by_their_key(server: PostgresServer, name: str) -> None:
    schema, change = KEYS[name]
    with journalled(server, schema) as database:
        before = database.contents()
        database.run(change)
        database.reset.finish("a test")

        assert (database.contents(), database.replaced) == (before, 0)


@pytest.mark.parametrize(
    "schema",
    [
        "CREATE TABLE t (n int); INSERT INTO t VALUES (-1); ALTER TABLE t ADD CHECK (n > 0) NOT VALID",
        f"{POSITIVE}; CREATE FUNCTION inner_one(int) RETURNS bool LANGUAGE sql AS 'SELECT true';"
        " CREATE FUNCTION by_bare_name(i int) RETURNS bool LANGUAGE plpgsql AS"
        " 'BEGIN RETURN inner_one(i); END';"
        " CREATE TABLE t (n positive CHECK (by_bare_name(n))); INSERT INTO t VALUES (1)",
    ],
)
def test_a_row_that_a_check_would_not_let_in_again_costs_a_new_database(
    server: PostgresServer, schema: str
) -> None:
    with journalled(server, schema) as database:
        before = database.contents()
        database.run("DELETE FROM t")
        database.reset.finish("a test")

        assert (database.contents(), database.replaced) == (before, 1)


def test_settings_that_each_session_begins_with_do_not_hide_a_row(server: PostgresServer) -> None:
    with journalled(server, "CREATE TABLE t (at timestamptz)") as database:
        database.run(f"ALTER DATABASE {database.name} SET timezone = 'Asia/Tokyo'")
        database.reset.close()
        database.reset = DatabaseReset(server, database.name, replaced=lambda: None)
        before = database.contents()
        database.run("INSERT INTO t VALUES (now())")
        database.reset.finish("a test")

        assert database.contents() == before


def test_what_is_committed_while_a_reset_waits_is_left_to_the_next_one(
    server: PostgresServer,
) -> None:
    with (
        journalled(server, "CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE u ()") as database,
        database.connect() as of_fixture,
        database.connect() as watcher,
    ):
        before = database.contents()
        of_fixture.execute("BEGIN")
        database.reset.claim(1, since=database.reset.snapshot(), who="a fixture")
        database.run("INSERT INTO t VALUES (1)")
        of_fixture.execute("SELECT FROM t FOR UPDATE")
        reset = threading.Thread(target=database.reset.finish, args=("a test",))
        reset.start()
        wait_until(lambda: watcher.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone())
        database.run("INSERT INTO u DEFAULT VALUES")
        of_fixture.execute("COMMIT")
        reset.join()
        database.reset.finish("the next test")

        assert database.contents() == before
