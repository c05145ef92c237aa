"""Large objects are undone like rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.journalled import PEOPLE, Journalled, journalled
from tests.testkit.isolation.conftest import ROLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.servers.postgres import PostgresServer

#: One of three pages, one of a few bytes, an empty one.
BASELINE = (
    "SELECT lo_from_bytea(101, convert_to(repeat('x', 5000), 'UTF8'))",
    "SELECT lo_from_bytea(102, 'two')",
    "SELECT lo_create(103)",
)
PROGRAMS = {
    "made": ["SELECT lo_from_bytea(0, 'new')", "SELECT lo_create(900)"],
    "changed": ["SELECT lo_put(101, 2500, 'in the middle')", "SELECT lo_put(103, 0, 'first')"],
    "removed": ["SELECT lo_unlink(101)", "SELECT lo_unlink(103)"],
    "removed and made again": ["SELECT lo_unlink(102)", "SELECT lo_from_bytea(102, 'other')"],
    "in an open transaction": ["BEGIN", "SELECT lo_put(102, 0, 'no')", "ROLLBACK"],
    "with rows": ["INSERT INTO people (name) VALUES ('x')", "SELECT lo_unlink(102)"],
}


@pytest.fixture(scope="module", params=ROLES)
def filled(request: pytest.FixtureRequest) -> Iterator[Journalled]:
    server: PostgresServer = request.getfixturevalue(request.param)
    with journalled(server, *PEOPLE, *BASELINE) as database:
        yield database


def objects(database: Journalled) -> list[tuple[object, ...]]:
    with database.connect() as connection:
        query = (
            "SELECT oid, convert_from(lo_get(oid), 'UTF8') FROM pg_largeobject_metadata ORDER BY 1"
        )
        return connection.execute(query).fetchall()


@pytest.mark.parametrize("name", PROGRAMS)
def test_they_are_as_they_were(filled: Journalled, name: str) -> None:
    before, replaced = objects(filled), filled.replaced
    filled.run(*PROGRAMS[name])
    changed = objects(filled) != before
    filled.reset.finish("a test")

    assert changed == (name != "in an open transaction")
    assert (objects(filled), filled.replaced) == (before, replaced)


def test_those_of_a_wider_fixture_stay_until_it_ends_and_are_put_back_meanwhile(
    filled: Journalled,
) -> None:
    before = objects(filled)
    since = filled.reset.snapshot()
    filled.run("SELECT lo_from_bytea(900, 'fixture')", "SELECT lo_put(102, 0, 'TWO')")
    filled.run("SELECT lo_unlink(103)")
    filled.reset.claim(1, since=since, who="a fixture")
    during = objects(filled)
    filled.run("SELECT lo_put(900, 0, 'test')", "SELECT lo_unlink(102)", "SELECT lo_create(103)")
    filled.reset.finish("a test")
    after = objects(filled)
    filled.reset.end(1)

    assert (900, "fixture") in during
    assert after == during
    assert objects(filled) == before


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_fixtures_may_end_in_any_order(filled: Journalled, order: tuple[int, int]) -> None:
    before = objects(filled)
    for owner in (1, 2):
        since = filled.reset.snapshot()
        filled.run(f"SELECT lo_put(102, 0, '{owner}')", f"SELECT lo_create({900 + owner})")
        filled.reset.claim(owner, since=since, who=f"fixture {owner}")
    filled.reset.end(order[0])
    between = objects(filled)
    filled.reset.end(order[1])

    assert (900 + order[1], "") in between
    assert (102, f"{order[1]}wo") in between
    assert objects(filled) == before


def test_those_of_a_fixture_are_in_a_database_made_anew(filled: Journalled) -> None:
    before, replaced = objects(filled), filled.replaced
    since = filled.reset.snapshot()
    filled.run("SELECT lo_from_bytea(900, 'fixture')", "SELECT lo_unlink(101)")
    filled.reset.claim(1, since=since, who="a fixture")
    during = objects(filled)
    filled.run("CREATE TABLE other (id int)", "SELECT lo_create(901)")
    filled.reset.finish("a test")
    after = objects(filled)
    filled.reset.end(1)

    assert (after, filled.replaced) == (during, replaced + 1)
    assert objects(filled) == before
