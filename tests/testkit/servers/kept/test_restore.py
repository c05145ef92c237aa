"""A database comes out of its dump as it was, on servers of every kind of role."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import secrets
from typing import TYPE_CHECKING

import pytest
from psycopg import sql

from testkit.core.messages import TestkitError
from testkit.core.options import Settings
from testkit.isolation.journal import Journal
from testkit.servers.kept.clients import find_client_for
from testkit.servers.kept.dump import JOURNALS, NotKeptError, dump_database
from testkit.servers.kept.restore import is_ours, restore
from testkit.servers.kept.shelf import Kept, Origin
from tests.support.dumps import dump
from tests.support.journalled import PEOPLE, journalled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from testkit.servers.postgres import PostgresServer
    from testkit.servers.run import Run

SCHEMA = (
    *PEOPLE,
    "CREATE TABLE orders (id serial PRIMARY KEY, buyer int REFERENCES people, parent int REFERENCES orders)",
    "CREATE TABLE parts (id int, k int) PARTITION BY LIST (k)",
    "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1)",
    "CREATE TABLE vehicles (wheels int)",
    "CREATE TABLE cars (doors int) INHERITS (vehicles)",
    "CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM people",
    'CREATE TABLE "Odd  testkit i" (id int)',
    "CREATE FUNCTION same() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'",
    "CREATE TRIGGER mine BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION same()",
)
# The journal's schemas, triggers and event triggers.
TESTKIT = re.compile(r'pg_testkit|testkit_journal|" testkit [iudt]"|testkit_ddl|testkit_drop')
PROGRAM = (
    "INSERT INTO people (name) VALUES ('eve')",
    "INSERT INTO orders (buyer, parent) SELECT 4, 1",
    "INSERT INTO parts VALUES (1, 1)",
    "INSERT INTO cars VALUES (4, 5)",
    "REFRESH MATERIALIZED VIEW counted",
    "SELECT lo_from_bytea(4711, 'abc')",
    "CREATE TABLE made_by_the_test (id int PRIMARY KEY)",
)


def test_the_schemas_that_are_kept_out_are_those_of_the_journal() -> None:
    assert tuple(Journal(superuser, 180000).schema for superuser in (True, False)) == JOURNALS


@pytest.mark.parametrize(
    ("line", "ours"),
    [
        ("3; 2620 16430 TRIGGER public people  testkit i postgres", True),
        ("3; 2620 16430 TRIGGER public my table  testkit t an owner", True),
        ("3; 3466 16443 EVENT TRIGGER - testkit_ddl postgres", True),
        ("3; 3466 16443 EVENT TRIGGER - testkit_drop postgres", True),
        ("3; 3466 16443 EVENT TRIGGER - testkit_mine postgres", False),
        ("3; 2620 16430 TRIGGER public people testkit_i postgres", False),
        ("3; 1259 16430 TABLE public people  testkit i postgres", False),
        ("; Selected TOC Entries:", False),
    ],
)
def test_the_triggers_of_testkit_are_told_from_the_projects(line: str, *, ours: bool) -> None:
    assert is_ours(line) == ours


@contextlib.contextmanager
def empty_database(server: PostgresServer) -> Iterator[str]:
    name = f"restored_{secrets.token_hex(4)}"
    with server.connect() as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield name
        finally:
            connection.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            )


def kept(server: PostgresServer, database: str, folder: Path) -> Kept:
    """Dump a database into a folder."""
    contents = dump_database(server, database, folder / "database.dump")
    return Kept(Origin("test_a.py::test_it", "call", "r", "main"), contents, folder, 0, 1)


def project_lines(server: PostgresServer, database: str) -> list[str]:
    """Return what a dump says of the project's own, whoever else has put something there."""
    lines = dump(server, database, without="testkit_journal").splitlines()
    return [x for x in lines if x and not x.startswith("--") and not TESTKIT.search(x)]


@pytest.mark.slow
@pytest.mark.parametrize("role", ["postgres_server", "owner_server"])
def test_a_database_under_the_journal_is_restored_as_the_test_left_it(
    request: pytest.FixtureRequest, role: str, tmp_path: Path
) -> None:
    server: PostgresServer = request.getfixturevalue(role)
    with journalled(server, *SCHEMA) as database, empty_database(server) as restored:
        database.run(*PROGRAM)
        found = kept(server, database.name, tmp_path)
        before = project_lines(server, database.name)
        database.reset.finish("the test")
        restore(found, server, restored)
        whole = dump(server, restored, without="none")

        assert project_lines(server, restored) == before
        assert "CREATE TABLE public.made_by_the_test (" in before
        assert TESTKIT.findall(whole) == []


@pytest.mark.slow
def test_a_lock_keeps_pg_dump_out_for_a_bounded_time_and_no_session_stays(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    with journalled(postgres_server, *PEOPLE) as database, database.connect() as connection:
        connection.execute("BEGIN")
        connection.execute("LOCK TABLE people IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(NotKeptError, match="waited 2 s for a lock that an open transaction"):
            dump_database(postgres_server, database.name, tmp_path / "one")
        connection.execute("ROLLBACK")
        connection.execute("BEGIN")
        # In the midst of a query of pg_dump's only the deadline helps.
        connection.execute("LOCK TABLE pg_catalog.pg_ts_template IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(NotKeptError, match="did not get to its end in 1 s"):
            dump_database(postgres_server, database.name, tmp_path / "two", seconds=1)
        left = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'testkit keeps%'"
            " AND datname = current_database()"
        ).fetchall()

    assert left == [(0,)]


def test_a_server_newer_than_every_pg_dump_is_not_dumped(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    newer = dataclasses.replace(postgres_server, version="99.1")
    with pytest.raises(NotKeptError, match="there is no pg_dump of PostgreSQL 99 or newer: "):
        dump_database(newer, "postgres", tmp_path / "dump")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_an_older_server_takes_what_a_newer_pg_restore_has_to_say(
    tmp_path: Path, new_run: Callable[..., Run]
) -> None:
    run = new_run(tmp_path, Settings(postgres="local"))
    try:
        server = run.ensure_postgres()
    except TestkitError as closed:
        pytest.skip(f"no installed PostgreSQL here: {closed.code}")
    newer = find_client_for("pg_restore", server, at_least=server.major + 1)
    if newer is None:
        pytest.skip(f"no pg_restore newer than the installed {server.version}")
    with journalled(server, *PEOPLE) as database, empty_database(server) as restored:
        found = kept(server, database.name, tmp_path)
        contents = dataclasses.replace(found.contents, dumped_by=newer.version)
        restore(dataclasses.replace(found, contents=contents), server, restored)

        assert project_lines(server, restored) == project_lines(server, database.name)


@pytest.mark.slow
def test_what_a_server_cannot_take_is_said_before_anything_is_restored(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    with journalled(postgres_server, *PEOPLE) as database, empty_database(postgres_server) as other:
        found = kept(postgres_server, database.name, tmp_path)
        shared = dataclasses.replace(postgres_server, shared=True)
        reasons = []
        for changed in (
            {"server_version": "99.1"},
            {"extensions": ("plpgsql", "nowhere")},
            {"dumped_by": "99.1"},
            {"roles": ("postgres", "nobody_here")},
        ):
            contents = dataclasses.replace(found.contents, **changed)
            with pytest.raises(TestkitError) as caught:
                restore(dataclasses.replace(found, contents=contents), shared, other)
            assert caught.value.code == "TK354"
            reasons.append(caught.value.values["reason"])
        (tmp_path / "database.dump").write_bytes(b"PGDMP")
        with pytest.raises(TestkitError) as broken:
            restore(found, shared, other)

    assert reasons == [
        "it is a database of the newer Postgres 99.1",
        "it has no extension nowhere",
        "there is no pg_restore that can read a dump of pg_dump 99.1",
        "it has no role nobody_here",
    ]
    assert broken.value.code == "TK355"
    assert "pg_restore: error: " in str(broken.value)
