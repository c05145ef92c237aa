"""Random programs on three connections are undone exactly."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.journalled import Journalled, journalled
from tests.testkit.isolation.conftest import ROLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.servers.postgres import PostgresServer

SCHEMA = (
    "CREATE TABLE a (id int PRIMARY KEY, n serial, name text UNIQUE, of_b int)",
    "CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a ON DELETE CASCADE DEFERRABLE)",
    "ALTER TABLE a ADD FOREIGN KEY (of_b) REFERENCES b ON DELETE SET NULL DEFERRABLE",
    "CREATE TABLE c (word text, n int)",
    "CREATE TABLE d (id int, part int, PRIMARY KEY (id, part)) PARTITION BY LIST (part)",
    "CREATE TABLE d0 PARTITION OF d FOR VALUES IN (0, 1)",
    "CREATE TABLE d2 PARTITION OF d DEFAULT",
    "CREATE TABLE e (n int, twice int GENERATED ALWAYS AS (n * 2) VIRTUAL)",
    "INSERT INTO e VALUES (1), (1), (2)",
    "CREATE TABLE audit (what text)",
    "CREATE FUNCTION audited() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN INSERT INTO audit VALUES (TG_OP); UPDATE a SET name = name WHERE id = NEW.id;"
    " RETURN NULL; END $$",
    "CREATE TRIGGER audited AFTER INSERT ON a FOR EACH ROW EXECUTE FUNCTION audited()",
    "INSERT INTO a (id, name) VALUES (1, 'one'), (2, 'two'), (3, 'three')",
    "INSERT INTO b VALUES (1, 1), (2, 2)",
    "UPDATE a SET of_b = 2 WHERE id = 1",
    "INSERT INTO c VALUES ('x', 1), ('x', 1), ('y', 2)",
    "INSERT INTO d VALUES (1, 0), (2, 1), (3, 7)",
    "SELECT lo_from_bytea(1, 'one')",
    "SELECT lo_create(2)",
)
KEY = st.integers(1, 6)
STATEMENTS = st.one_of(
    st.builds("INSERT INTO a (id, name) VALUES ({0}, 'name {1}')".format, KEY, KEY),
    st.builds("UPDATE a SET id = {1}, name = name || '!' WHERE id = {0}".format, KEY, KEY),
    st.builds("DELETE FROM a WHERE id = {0}".format, KEY),
    st.builds(
        "INSERT INTO a (id, name) VALUES ({0}, 'u') ON CONFLICT (id) DO UPDATE SET n = a.n + 1".format,
        KEY,
    ),
    st.builds("INSERT INTO b VALUES ({0}, {1})".format, KEY, KEY),
    st.builds("DELETE FROM b WHERE a = {0}".format, KEY),
    st.builds("INSERT INTO c VALUES ('x', {0})".format, KEY),
    st.builds(
        "DELETE FROM c WHERE ctid IN (SELECT ctid FROM c WHERE n = {0} LIMIT 1)".format, KEY
    ),
    st.builds("INSERT INTO e VALUES ({0})".format, KEY),
    st.builds("UPDATE e SET n = {0} WHERE twice = 2".format, KEY),
    st.builds("INSERT INTO d VALUES ({0}, {1})".format, KEY, KEY),
    st.builds("UPDATE d SET part = {1} WHERE id = {0}".format, KEY, KEY),
    st.builds("DELETE FROM d0 WHERE id = {0}".format, KEY),
    st.builds("SELECT lo_put({0}, {1}, 'abc')".format, KEY, KEY),
    st.builds("SELECT lo_unlink({0})".format, KEY),
    st.builds("SELECT lo_from_bytea({0}, 'd')".format, KEY),
    st.sampled_from(
        ["TRUNCATE c", "TRUNCATE e", "TRUNCATE b CASCADE", "TRUNCATE d RESTART IDENTITY", "SELECT nextval('a_n_seq')",
         "SAVEPOINT s", "ROLLBACK TO s", "SET CONSTRAINTS ALL DEFERRED", "SET LOCAL TimeZone = 'Asia/Tokyo'"]
    ),
)  # fmt: skip
ENDS = ("BEGIN", "COMMIT", "ROLLBACK", "PREPARE TRANSACTION 'p'", "COMMIT PREPARED 'p'")
ACTIONS = st.one_of(STATEMENTS, STATEMENTS, st.sampled_from(ENDS))
STEPS = st.tuples(st.integers(0, 2), ACTIONS)


@pytest.fixture(scope="module", params=ROLES)
def programmed(request: pytest.FixtureRequest) -> Iterator[Journalled]:
    server: PostgresServer = request.getfixturevalue(request.param)
    with journalled(server, *SCHEMA) as database:
        yield database


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.generate, Phase.shrink],
)
@given(steps=st.lists(STEPS, min_size=8, max_size=40))
def test_any_program_is_undone(programmed: Journalled, steps: list[tuple[int, str]]) -> None:
    before = programmed.contents()
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(programmed.connect()) for _ in range(3)]
        for connection in connections:
            connection.execute("SET lock_timeout = '20ms'")
        for number, statement in steps:
            connection = connections[number]
            try:
                connection.execute(statement.encode())
            except psycopg.Error:
                # Broken constraints and met locks are part of the program; so is what comes after.
                connection.execute("ROLLBACK")
        for connection in connections:
            with contextlib.suppress(psycopg.Error):
                connection.execute("COMMIT")
    programmed.reset.finish("a program")

    assert programmed.contents() == before


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.generate, Phase.shrink],
)
@given(
    programs=st.lists(st.lists(STATEMENTS, max_size=12), min_size=3, max_size=3),
    order=st.permutations([1, 2, 3]),
)
def test_owners_leave_nothing_whatever_they_did_and_in_whatever_order_they_end(
    programmed: Journalled, programs: list[list[str]], order: list[int]
) -> None:
    before = programmed.contents()
    with programmed.connect() as connection:
        for owner, program in enumerate(programs, 1):
            since = programmed.reset.snapshot()
            for statement in program:
                with contextlib.suppress(psycopg.Error):
                    connection.execute(statement.encode())
            programmed.reset.claim(owner, since=since, who=f"fixture {owner}")
            kept = programmed.contents()
            with contextlib.suppress(psycopg.Error):
                connection.execute("DELETE FROM a")
            programmed.reset.finish("a test between")

            assert programmed.contents() == kept

    for owner in order:
        programmed.reset.end(owner)

    assert programmed.contents() == before
