"""Snapshots: what was committed before one stays when it is restored, nothing outlives the test."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from testkit.core.messages import TestkitError
from testkit.isolation.snapshots import Snapshot, Snapshots
from tests.support.journalled import PEOPLE, Journalled, journalled
from tests.support.suites import Suite
from tests.testkit.isolation.conftest import ROLES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from testkit.isolation.database import Database
    from testkit.servers.postgres import PostgresServer

INSERT = "INSERT INTO people (name) VALUES ('{}')"


@pytest.fixture(scope="module", params=ROLES)
def people(request: pytest.FixtureRequest) -> Iterator[Journalled]:
    server: PostgresServer = request.getfixturevalue(request.param)
    with journalled(server, *PEOPLE) as database:
        yield database


@pytest.fixture
def snapshots(people: Journalled) -> Snapshots:
    numbers = itertools.count(1)
    return Snapshots(people.reset, lambda: next(numbers))


def test_what_came_after_a_snapshot_is_undone_as_often_as_one_likes(
    people: Journalled, snapshots: Snapshots
) -> None:
    before = people.contents()
    people.run(INSERT.format("x"), "DELETE FROM people WHERE name = 'ada'")
    snapshots.take()
    kept = people.contents()
    for name in ("y", "z"):
        people.run(
            INSERT.format(name), "UPDATE people SET name = name || '!'", "SELECT lo_create(7)"
        )
        snapshots.restore(None)

        assert people.contents() == kept

    snapshots.end()
    people.reset.finish("a test")

    assert people.contents() == before


def test_an_earlier_one_can_be_restored_and_later_ones_are_gone(
    people: Journalled, snapshots: Snapshots
) -> None:
    before = people.contents()
    first = snapshots.take()
    people.run(INSERT.format("x"))
    second = snapshots.take()
    people.run(INSERT.format("y"), "TRUNCATE people")
    snapshots.restore(first)
    restored = people.contents()
    with pytest.raises(TestkitError, match="TK305"):
        snapshots.restore(second)
    snapshots.end()

    assert restored == before
    assert people.contents() == before


def test_ddl_after_a_snapshot_costs_a_new_database_with_what_came_before(
    people: Journalled, snapshots: Snapshots
) -> None:
    before, replaced = people.contents(), people.replaced
    people.run(INSERT.format("x"), "SELECT nextval('people_id_seq')")
    snapshots.take()
    kept = people.contents()
    people.run("DROP TABLE people")
    snapshots.restore(None)
    restored = people.contents()
    snapshots.end()
    people.reset.finish("a test")

    assert (restored, people.replaced) == (kept, replaced + 1)
    assert people.contents() == before


def test_ddl_before_a_snapshot_goes_with_the_test(people: Journalled, snapshots: Snapshots) -> None:
    before = people.contents()
    people.run("CREATE TABLE later (id int)")
    snapshots.take()
    people.run("INSERT INTO later VALUES (1)")
    snapshots.restore(None)
    restored = people.contents()
    snapshots.end()
    people.reset.finish("a test")

    assert restored["public.later"] == []
    assert people.contents() == before


def test_a_transaction_that_a_test_began_before_is_still_the_tests(
    people: Journalled, snapshots: Snapshots
) -> None:
    before = people.contents()
    with contextlib.closing(people.connect()) as left_open:
        left_open.execute("BEGIN")
        left_open.execute("INSERT INTO people (name) VALUES ('x')")
        snapshots.take()
        snapshots.restore(None)
        snapshots.end()
        with pytest.raises(TestkitError, match="TK302"):
            people.reset.finish("a test", patience=0)

    assert people.contents() == before


def test_without_a_snapshot_there_is_none_to_restore(snapshots: Snapshots) -> None:
    for snapshot in (None, Snapshot(1)):
        with pytest.raises(TestkitError, match="TK305"):
            snapshots.restore(snapshot)


def test_a_test_takes_them_by_its_database(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("CREATE TABLE notes (text text)"))
    snapshot = database.snapshot()
    counts = []
    for _ in range(2):
        with database.engine.begin() as connection:
            connection.execute(text("INSERT INTO notes VALUES ('x')"))
            counts.append(connection.execute(text("SELECT count(*) FROM notes")).scalar_one())
        database.restore(snapshot)

    assert counts == [1, 1]


@pytest.mark.slow
def test_the_next_test_knows_nothing_of_them(tmp_path: Path) -> None:
    suite = Suite(tmp_path)
    suite.write(
        "test_it.py",
        """
        import pytest
        from sqlalchemy import text

        def count(database):
            with database.engine.connect() as connection:
                return connection.execute(text("SELECT count(*) FROM shop")).scalar_one()

        def add(database):
            with database.engine.begin() as connection:
                connection.execute(text("INSERT INTO shop DEFAULT VALUES"))

        @pytest.fixture(scope="module")
        def one(request):
            yield

        def test_one(database):
            add(database)
            database.snapshot()
            add(database)
            database.snapshot()
            add(database)
            assert count(database) == 3

        def test_two(database):
            assert count(database) == 0
            with pytest.raises(Exception, match="TK305"):
                database.restore()
        """,
    )
    suite.write(
        "models.py",
        """
        from sqlalchemy import Column, Integer, MetaData, Table

        metadata = MetaData()
        Table("shop", metadata, Column("id", Integer, primary_key=True))
        """,
    )
    suite.configure('schema = "metadata:models:metadata"')
    outcome = suite.run("-p", "no:randomly")

    outcome.check(passed=2)


@pytest.mark.slow
def test_without_isolation_they_are_refused(tmp_path: Path) -> None:
    suite = Suite(tmp_path)
    suite.write("test_it.py", "def test_it(database):\n    database.snapshot()\n")
    suite.configure('isolation = "none"')
    outcome = suite.run()

    outcome.check(code=1, failed=1)
    assert "TK306" in outcome.text
