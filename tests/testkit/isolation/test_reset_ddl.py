"""Commands that rows cannot undo are noticed, and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testkit.core.addresses import SUPERUSER
from testkit.core.messages import TestkitError
from tests.support.journalled import PEOPLE, Journalled, journalled, needs_superuser
from tests.testkit.isolation.conftest import ROLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.servers.postgres import PostgresServer


def test_ddl_over_the_ddl_of_a_fixture_is_refused_by_name(server: PostgresServer) -> None:
    with journalled(server, *PEOPLE) as database:
        since = database.reset.snapshot()
        database.run("CREATE TABLE late (id int)")
        database.reset.claim(1, since=since, who="session fixture tables")
        database.run("INSERT INTO people (name) VALUES ('x')", "DROP TABLE late")
        with pytest.raises(TestkitError, match="TK301") as caught:
            database.reset.finish("test_that_drops")
        database.run("INSERT INTO people (name) VALUES ('y')")
        database.reset.finish("the next test")

        what = (
            "DROP TABLE public.late"
            if server.user == SUPERUSER
            else "table public.late was dropped"
        )

        assert f"test_that_drops changed the schema ({what})" in str(caught.value)
        assert "session fixture tables had changed it" in str(caught.value)
        assert len(database.contents()["public.people"]) == 3  # type: ignore[arg-type]  # rows


# By the command, what an owner's journal finds in the catalogs.
DDL = {
    "CREATE TABLE t (id int)": "table public.t was made",
    "CREATE TABLE t AS SELECT 1": "table public.t was made",
    "ALTER TABLE people ADD COLUMN x int": "column x of table public.people was made",
    "ALTER TABLE people RENAME COLUMN born TO birth": "column born of table public.people was",
    "ALTER TABLE people ALTER COLUMN name SET NOT NULL": "name of table public.people was changed",
    "ALTER TABLE people ALTER COLUMN score SET DEFAULT 1": "score of table public.people was changed",
    "ALTER TABLE people ADD CHECK (score > -1)": "constraint people_score_check on table public.people",
    "ALTER TABLE people RENAME TO persons": "table public.people was changed",
    "ALTER TABLE people SET (fillfactor = 50)": "table public.people was changed",
    "ALTER TABLE people ENABLE ROW LEVEL SECURITY": "table public.people was changed",
    "ALTER SEQUENCE people_id_seq INCREMENT 7": "sequence public.people_id_seq was changed",
    "DROP TABLE people CASCADE": "table public.people was dropped",
    "CREATE INDEX ON people (score)": "index public.people_score_idx was made",
    "DROP TYPE mood": "type public.mood was dropped",
    "CREATE TYPE humour AS ENUM ('dry')": "type public.humour was made",
    "ALTER TYPE mood ADD VALUE 'sad'": "type public.mood was made",
    "ALTER TYPE mood RENAME VALUE 'glad' TO 'happy'": "type public.mood was changed",
    "CREATE DOMAIN positive AS int CHECK (VALUE > 0)": "type public.positive was made",
    "CREATE SCHEMA other": "schema other was made",
    "CREATE VIEW v AS SELECT 1": "view public.v was made",
    "CREATE OR REPLACE VIEW seen AS SELECT 2 AS one": "rule _RETURN on view public.seen was changed",
    "REFRESH MATERIALIZED VIEW kept": "materialized view public.kept was changed",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY kept": "materialized view public.kept was changed",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'": "function public.f() was made",
    "CREATE OR REPLACE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 2'": "function public.g() was",
    "CREATE POLICY mine ON people USING (true)": "policy mine on table public.people was made",
    "CREATE RULE quiet AS ON DELETE TO people DO INSTEAD NOTHING": "rule quiet on table public.people",
    "CREATE OPERATOR === (FUNCTION = int4eq, LEFTARG = int, RIGHTARG = int)": "operator public.===",
    "CREATE STATISTICS s ON name, score FROM people": "statistics object public.s was made",
    "CREATE EXTENSION pg_trgm": "extension pg_trgm was made",
    "GRANT SELECT ON people TO public": "table public.people was changed",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO public": "default privileges",
    "ALTER TABLE people DISABLE TRIGGER ALL": "trigger",
    "COMMENT ON TABLE people IS 'x'": "table public.people was made",
}
SOME_OF_EACH = (
    "CREATE TYPE mood AS ENUM ('glad')",
    "CREATE VIEW seen AS SELECT 1 AS one",
    "CREATE MATERIALIZED VIEW kept AS SELECT random() AS one",
    "CREATE UNIQUE INDEX ON kept (one)",
    "CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 1'",
)


@pytest.fixture(scope="module", params=ROLES)
def changing(request: pytest.FixtureRequest) -> Iterator[Journalled]:
    """One database for many changes: it is made anew after each."""
    server: PostgresServer = request.getfixturevalue(request.param)
    with journalled(server, *PEOPLE, *SOME_OF_EACH) as database:
        yield database


@pytest.mark.parametrize("command", DDL)
def test_ddl_is_noticed_and_the_database_made_anew(changing: Journalled, command: str) -> None:
    before, replaced = changing.contents(), changing.replaced
    changing.run("INSERT INTO people (name) VALUES ('x')", command)
    noticed = changing.noticed()
    changing.reset.finish("a test")
    tag = " ".join(command.replace("OR REPLACE ", "").split()[:2])
    if command.startswith(("GRANT", "COMMENT")):
        tag = command.split(maxsplit=1)[0]

    what = tag if changing.server.user == SUPERUSER else DDL[command]

    assert [line for line in noticed if what in line]
    assert (changing.contents(), changing.replaced) == (before, replaced + 1)


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
def test_commands_that_change_nothing_are_no_ddl(changing: Journalled, command: str) -> None:
    if command == "CHECKPOINT":
        needs_superuser(changing.server, command)
    before = changing.contents(), changing.replaced
    changing.run(command, "INSERT INTO people (name) VALUES ('x')")
    changing.reset.finish("a test")

    assert (changing.contents(), changing.replaced) == before


def test_a_write_with_table_inheritance_asks_for_a_new_database(
    server: PostgresServer,
) -> None:
    inherited = ("CREATE TABLE parent (id int)", "CREATE TABLE child (n int) INHERITS (parent)")
    with journalled(server, *inherited) as database:
        since = database.reset.snapshot()
        database.run("CREATE TABLE earlier (id int)")
        database.reset.claim(1, since=since, who="a fixture")
        database.run("INSERT INTO child VALUES (1, 2)")
        with pytest.raises(TestkitError, match="INSERT on child"):
            database.reset.finish("a test")
