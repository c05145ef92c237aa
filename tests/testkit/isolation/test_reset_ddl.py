"""Commands that rows cannot undo are noticed, and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testkit.core.messages import TestkitError
from tests.support.journalled import PEOPLE, journalled

if TYPE_CHECKING:
    from testkit.servers.postgres import PostgresServer


def test_ddl_over_the_ddl_of_a_fixture_is_refused_by_name(postgres_server: PostgresServer) -> None:
    with journalled(postgres_server, *PEOPLE) as database:
        since = database.reset.snapshot()
        database.run("CREATE TABLE late (id int)")
        database.reset.claim(1, since=since, who="session fixture tables")
        database.run("INSERT INTO people (name) VALUES ('x')", "DROP TABLE late")
        with pytest.raises(TestkitError, match="TK301") as caught:
            database.reset.finish("test_that_drops")
        database.run("INSERT INTO people (name) VALUES ('y')")
        database.reset.finish("the next test")

        assert "test_that_drops changed the schema (DROP TABLE public.late)" in str(caught.value)
        assert "session fixture tables had changed it" in str(caught.value)
        assert len(database.contents()["public.people"]) == 3  # type: ignore[arg-type]  # rows


@pytest.mark.parametrize(
    "command",
    [
        "CREATE TABLE t (id int)",
        "CREATE TABLE t AS SELECT 1",
        "ALTER TABLE people ADD COLUMN x int",
        "DROP TABLE people CASCADE",
        "CREATE INDEX ON people (score)",
        "CREATE TYPE mood AS ENUM ('glad')",
        "CREATE SCHEMA other",
        "CREATE VIEW v AS SELECT 1",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE EXTENSION pg_trgm",
        "GRANT SELECT ON people TO public",
        "ALTER TABLE people DISABLE TRIGGER ALL",
        "COMMENT ON TABLE people IS 'x'",
    ],
)
def test_ddl_is_noticed(postgres_server: PostgresServer, command: str) -> None:
    """On a database whose template is not its own: the refusal shows what was noticed."""
    with journalled(postgres_server, *PEOPLE) as database:
        since = database.reset.snapshot()
        database.run("CREATE TABLE earlier (id int)")
        database.reset.claim(1, since=since, who="a fixture")
        database.run(command)
        with pytest.raises(TestkitError, match="TK301") as caught:
            database.reset.finish("a test")
        tag = " ".join(command.split()[:2]) if not command.startswith(("GRANT", "COMMENT")) else ""

        assert tag in str(caught.value)


@pytest.mark.parametrize(
    "command",
    [
        "CREATE TEMP TABLE t (id int)",
        "VACUUM people",
        "ANALYZE",
        "REINDEX TABLE people",
        "SET work_mem = '8MB'",
        "LISTEN somewhere",
        "NOTIFY somewhere",
        "CHECKPOINT",
    ],
)
def test_commands_that_change_nothing_are_no_ddl(
    postgres_server: PostgresServer, command: str
) -> None:
    with journalled(postgres_server, *PEOPLE) as database:
        before = database.contents()
        database.run(command, "INSERT INTO people (name) VALUES ('x')")
        database.reset.finish("a test")

        assert (database.contents(), database.replaced) == (before, 0)


def test_a_write_with_table_inheritance_asks_for_a_new_database(
    postgres_server: PostgresServer,
) -> None:
    inherited = ("CREATE TABLE parent (id int)", "CREATE TABLE child (n int) INHERITS (parent)")
    with journalled(postgres_server, *inherited) as database:
        since = database.reset.snapshot()
        database.run("CREATE TABLE earlier (id int)")
        database.reset.claim(1, since=since, who="a fixture")
        database.run("INSERT INTO child VALUES (1, 2)")
        with pytest.raises(TestkitError, match="INSERT on child"):
            database.reset.finish("a test")
