"""Spare databases take the place of a worker's; without one the exchange is made at once."""

from __future__ import annotations

import dataclasses
import threading
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from testkit.core.messages import TestkitError
from testkit.core.naming import database_name, spare_name
from testkit.isolation.reset import DatabaseReset
from tests.support.journalled import PEOPLE, Journalled, journalled
from tests.support.spares import left, spares_of
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.isolation.spares import SpareDatabases
    from testkit.servers.postgres import PostgresServer


@pytest.fixture
def database(postgres_server: PostgresServer) -> Iterator[Journalled]:
    """A database of its own under the journal."""
    with journalled(postgres_server, *PEOPLE) as database:
        yield database


@pytest.fixture
def spares(database: Journalled) -> Iterator[SpareDatabases]:
    """The spares from which its reset takes; the first one is ready."""
    with spares_of(database.server, database.name) as spares:
        database.reset.close()
        database.reset = DatabaseReset(
            database.server, database.name, replaced=database._count, make=spares.replace
        )
        spares.start()
        wait_until(lambda: spares.ready > 0)
        yield spares


def more_threads(before: list[threading.Thread]) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread not in before]


def one(database: Journalled, query: str) -> Any:
    with database.connect() as connection:
        row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return row[0]


def number(database: Journalled) -> Any:
    return one(database, "SELECT oid FROM pg_database WHERE datname = current_database()")


def test_a_spare_takes_the_place_and_nothing_of_the_test_is_left(
    database: Journalled, spares: SpareDatabases
) -> None:
    before, was = database.contents(), number(database)
    spare = left(database.server, database.name)
    with database.connect() as stays_open:
        database.run(
            "ALTER TABLE people DROP COLUMN score",
            "SELECT nextval('people_id_seq')",
            f"ALTER DATABASE {database.name} SET work_mem = '7MB'",
        )
        stays_open.execute("BEGIN; INSERT INTO people (name) VALUES ('open')")
        with pytest.raises(TestkitError, match="TK302") as caught:
            database.reset.exchange("a test")
        with pytest.raises(psycopg.OperationalError):
            stays_open.execute("SELECT 1")

    assert "last statement: BEGIN; INSERT INTO people" in str(caught.value)
    assert len(spare) == 1
    assert database.contents() == before
    assert number(database) != was
    assert one(database, "SHOW work_mem") != "7MB"
    assert one(database, "SHOW lock_timeout") == "2s"
    wait_until(lambda: len(left(database.server, database.name)) == 1 and spares.ready == 1)


def test_rows_of_a_fixture_that_stands_are_in_the_spare(
    database: Journalled, spares: SpareDatabases
) -> None:
    since = database.reset.snapshot()
    database.run("INSERT INTO people (name) VALUES ('standing')", "DELETE FROM people WHERE id = 1")
    database.reset.claim(1, since=since, who="a fixture")
    with_fixture = database.contents()
    for _ in range(2):
        database.reset.begin_clone()
        database.run("INSERT INTO people (name) VALUES ('x')", "DROP TABLE people")
        database.reset.exchange("a test")

        assert database.contents() == with_fixture
    database.reset.end(1)

    assert one(database, "SELECT count(*) FROM people") == 3
    assert database.replaced == 2


def test_a_session_of_the_reset_that_the_test_ended_is_no_hindrance(
    database: Journalled, spares: SpareDatabases
) -> None:
    before = database.contents()
    database.run(
        "TRUNCATE people",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    database.reset.exchange("a test")

    assert database.contents() == before


def _exchanged_after(database: Journalled, statement: str) -> bool:
    _ = database.contents()  # what a first look at a database writes, hints and the like
    alone, replaced = database.server.connect(), database.replaced
    with alone:
        alone.execute("SELECT 1")
        database.reset.begin_clone()
        database.run(statement)
        database.reset.exchange("a test")
    return database.replaced > replaced


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT nextval('people_id_seq')",
        "CREATE UNLOGGED TABLE u (id int)",
        "SELECT lo_create(0)",
    ],
)
def test_what_was_written_to_is_exchanged(database: Journalled, statement: str) -> None:
    assert _exchanged_after(database, statement)


def test_what_was_only_read_is_not_exchanged(database: Journalled) -> None:
    # The server is the neighbours' as well: what they write meanwhile counts too.
    assert any(not _exchanged_after(database, "SELECT * FROM people") for _ in range(50))


def test_a_fixture_that_changed_the_schema_is_named(database: Journalled) -> None:
    since = database.reset.snapshot()
    database.run("CREATE TABLE late (id int)")
    database.reset.claim(1, since=since, who="session fixture tables")
    before = database.contents()
    database.run("INSERT INTO people (name) VALUES ('x')")
    with pytest.raises(TestkitError, match="TK341") as caught:
        database.reset.exchange("test_that_writes")

    assert "but session fixture tables had changed the schema" in str(caught.value)
    assert (database.contents(), database.replaced) == (before, 0)


def test_without_a_spare_the_database_is_made_at_once(database: Journalled) -> None:
    with spares_of(database.server, database.name) as spares:
        was = number(database)
        database.reset.close()
        spares.replace(database.name)

        assert number(database) != was
        wait_until(lambda: spares.ready == 1)


def test_what_fails_in_the_background_is_said_by_the_exchange(database: Journalled) -> None:
    before = threading.enumerate()
    broken = dataclasses.replace(database.server, template="no_such_template")
    with spares_of(broken, database.name) as spares:
        spares.start()
        wait_until(lambda: spares.failed)
        with pytest.raises(psycopg.errors.InvalidCatalogName, match="no_such_template"):
            spares.replace(database.name)
    database.server.create_database(database.name)  # for the fixture to drop

    assert not more_threads(before)


def test_closing_ends_the_thread_in_the_middle_of_its_work(database: Journalled) -> None:
    before = threading.enumerate()
    with spares_of(database.server, database.name) as spares:
        spares.start()
        spares.close()
        spares.start()

        assert not more_threads(before)


def test_the_name_of_a_spare_is_no_workers() -> None:
    long = database_name("gw" + "9" * 80)
    names = {spare_name(long, 1), spare_name(long, 2), spare_name(database_name("gw9"), 1)}

    assert len(names) == 3
    assert all(len(name) <= 63 for name in names)
    assert database_name("gw9__spare1") not in names
