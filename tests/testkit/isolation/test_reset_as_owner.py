"""The reset where foreign keys are checked and triggers fire: a role that is no superuser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from testkit.core.messages import TestkitError
from testkit.isolation.template import JournalTemplate
from tests.support.journalled import Journalled, journalled

if TYPE_CHECKING:
    from testkit.servers.postgres import PostgresServer

pytestmark = pytest.mark.slow

FAMILY = (
    "CREATE TABLE parent (id int PRIMARY KEY, code text UNIQUE, n int)",
    "CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent {on_delete},"
    " code text REFERENCES parent (code) ON UPDATE CASCADE)",
    "INSERT INTO parent VALUES (1, 'one', 1), (2, 'two', 2), (3, 'three', 3)",
    "INSERT INTO child VALUES (10, 1, 'one'), (20, 2, 'two')",
)
FORBIDDEN = (
    "CREATE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN RAISE EXCEPTION 'never'; END $$"
)


def family(on_delete: str) -> tuple[str, ...]:
    return tuple(statement.replace("{on_delete}", on_delete) for statement in FAMILY)


def check(database: Journalled, *program: str, replaced: int = 0) -> None:
    """Run a program; the reset must undo it, in so many new databases."""
    before = database.contents()
    database.run(*program)

    assert database.contents() != before

    database.reset.finish("a test")

    assert (database.contents(), database.replaced) == (before, replaced)


@pytest.mark.parametrize(
    "on_delete", ["", "ON DELETE RESTRICT", "ON DELETE CASCADE", "ON DELETE SET NULL"]
)
def test_rows_that_others_refer_to_come_back_whatever_the_key_does(
    owner_server: PostgresServer, on_delete: str
) -> None:
    with journalled(owner_server, *family(on_delete)) as database:
        check(database, "UPDATE parent SET n = n + 10")
        check(database, "UPDATE parent SET code = code || '!'")
        check(database, "DELETE FROM child", "DELETE FROM parent WHERE id > 1")
        check(database, "INSERT INTO parent VALUES (4, 'four', 4)", "UPDATE child SET parent = 4")
        check(database, "UPDATE parent SET id = 5, code = 'five' WHERE id = 3")


def test_rows_that_change_places_are_told_apart_by_a_new_database(
    owner_server: PostgresServer,
) -> None:
    with journalled(owner_server, *family("")) as database:
        check(
            database,
            "UPDATE child SET code = NULL",
            "UPDATE parent SET code = 'x' WHERE id = 1",
            "UPDATE parent SET code = 'one' WHERE id = 2",
            "UPDATE parent SET code = 'two' WHERE id = 1",
            replaced=1,
        )


def test_rows_that_change_places_while_a_fixture_stands_are_put_back_too(
    owner_server: PostgresServer,
) -> None:
    with journalled(owner_server, *family(""), "CREATE TABLE other (id int)") as database:
        since = database.reset.snapshot()
        database.run("INSERT INTO other VALUES (1)")
        database.reset.claim(1, since=since, who="a fixture")
        check(
            database,
            "UPDATE child SET code = NULL",
            "UPDATE parent SET code = 'x' WHERE id = 1",
            "UPDATE parent SET code = 'one' WHERE id = 2",
            "UPDATE parent SET code = 'two' WHERE id = 1",
            replaced=1,
        )
        database.reset.end(1)

        assert database.contents()["public.other"] == []


def test_a_fixture_whose_rows_changed_places_is_told_where_they_cannot_be_put_back(
    owner_server: PostgresServer,
) -> None:
    with journalled(owner_server, *family("")) as database:
        before = database.contents()
        since = database.reset.snapshot()
        database.run(
            "UPDATE child SET code = NULL",
            "UPDATE parent SET code = 'x' WHERE id = 1",
            "UPDATE parent SET code = 'one' WHERE id = 2",
            "UPDATE parent SET code = 'two' WHERE id = 1",
        )
        database.reset.claim(1, since=since, who="fixture swapped")
        database.run("CREATE TABLE other (id int)")
        with pytest.raises(TestkitError, match="TK309") as caught:
            database.reset.finish("test_that_changes_the_schema")
        database.run("INSERT INTO child VALUES (30, 3, 'three')")
        database.reset.finish("the next test")
        database.reset.end(1)

        assert "what fixture swapped had committed" in str(caught.value)
        assert database.contents() == before


@pytest.mark.parametrize("state", ["ENABLE", "ENABLE ALWAYS"])
@pytest.mark.parametrize("level", ["ROW", "STATEMENT"])
def test_triggers_keep_still_and_are_as_they_were(
    owner_server: PostgresServer, level: str, state: str
) -> None:
    schema = (
        *family("ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED"),
        FORBIDDEN,
        f"CREATE TRIGGER no BEFORE DELETE ON parent FOR EACH {level} EXECUTE FUNCTION forbid()",
        f"ALTER TABLE parent {state} TRIGGER no",
        # Fired by a cascade that finds no row.
        "CREATE TRIGGER no AFTER DELETE ON child FOR EACH STATEMENT EXECUTE FUNCTION forbid()",
    )
    with journalled(owner_server, *schema) as database:
        check(database, "INSERT INTO parent VALUES (4, 'four', 4)")
        check(database, "INSERT INTO child VALUES (30, 3, 'three')")
        with (
            database.connect() as connection,
            pytest.raises(psycopg.errors.RaiseException, match="never"),
        ):
            connection.execute("DELETE FROM parent")
        database.reset.finish("a test")

        assert database.replaced == 0


def test_triggers_of_partitions_keep_still(owner_server: PostgresServer) -> None:
    schema = (
        "CREATE TABLE d (id int, part int, PRIMARY KEY (id, part)) PARTITION BY LIST (part)",
        "CREATE TABLE d0 PARTITION OF d FOR VALUES IN (0)",
        "CREATE TABLE d1 PARTITION OF d DEFAULT",
        FORBIDDEN,
        "CREATE TRIGGER no BEFORE DELETE ON d FOR EACH ROW EXECUTE FUNCTION forbid()",
        "CREATE TRIGGER own BEFORE DELETE ON d1 FOR EACH ROW EXECUTE FUNCTION forbid()",
    )
    with journalled(owner_server, *schema) as database:
        check(database, "INSERT INTO d VALUES (1, 0), (2, 1)", "INSERT INTO d1 VALUES (3, 3)")


@pytest.mark.parametrize(
    "obstacle",
    [
        "CREATE RULE no AS ON DELETE TO parent DO INSTEAD NOTHING",
        "ALTER TABLE parent ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
        " CREATE POLICY all_of_it ON parent USING (true)",
    ],
)
def test_what_an_owner_cannot_take_out_costs_a_new_database(
    owner_server: PostgresServer, obstacle: str
) -> None:
    with journalled(owner_server, *family(""), obstacle) as database:
        check(database, "INSERT INTO parent VALUES (4, 'four', 4)", replaced=1)
        check(database, "INSERT INTO child VALUES (30, 3, 'three')", replaced=1)


def test_temporary_tables_and_truncate_are_no_ddl(owner_server: PostgresServer) -> None:
    with journalled(owner_server, *family("")) as database, database.connect() as session:
        session.execute("CREATE TEMPORARY TABLE mine (id serial PRIMARY KEY, n int DEFAULT 7)")
        check(database, "TRUNCATE parent CASCADE")
        check(database, "TRUNCATE parent RESTART IDENTITY CASCADE")


def test_objects_are_compared_only_where_a_catalog_was_written_to(
    owner_server: PostgresServer,
) -> None:
    with journalled(owner_server, *family("")) as database:
        seen: list[object] = []
        for program in (["SELECT 1"], ["INSERT INTO child VALUES (30)"], ["TRUNCATE child"]):
            database.run(*program)
            database.reset.finish("a test")
            with database.connect() as connection:
                seen += connection.execute("SELECT ctid FROM testkit_journal.catalog_seen")

    assert seen[0] == seen[1]
    assert seen[1] != seen[2]


def test_thousands_of_changed_rows_are_put_back(
    owner_server: PostgresServer,
) -> None:
    many = "INSERT INTO parent SELECT n, 'code ' || n, n FROM generate_series(4, 5000) AS n"
    with journalled(owner_server, *family(""), many) as database:
        check(database, "UPDATE parent SET n = n + 1", "DELETE FROM parent WHERE id > 4000")
        check(database, "UPDATE parent SET n = 0 WHERE id % 2 = 0")


def test_tables_of_somebody_else_are_told_before_the_first_test(
    postgres_server: PostgresServer, owner_server: PostgresServer
) -> None:
    with journalled(owner_server) as database:
        with postgres_server.connect(database.name) as connection:
            connection.execute("DROP SCHEMA testkit_journal CASCADE; CREATE TABLE foreign_one ()")
        with (
            owner_server.connect(database.name) as connection,
            pytest.raises(TestkitError, match="TK112") as caught,
        ):
            JournalTemplate().install(connection)

    assert "permission denied for table foreign_one" in str(caught.value)


COPIED = (
    "CREATE TABLE parent (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, code text UNIQUE)",
    "CREATE TABLE child (id int PRIMARY KEY, code text DEFAULT 'd' REFERENCES parent (code) {actions})",
    "INSERT INTO parent (code) VALUES ('a'), ('b'), ('c'), ('d')",
    "INSERT INTO child VALUES (10, 'a'), (20, 'c')",
)


@pytest.mark.parametrize("action", ["CASCADE", "SET NULL", "SET DEFAULT"])
def test_a_key_takes_no_row_along_that_refers_to_a_value_that_came_back(
    owner_server: PostgresServer, action: str
) -> None:
    schema = [s.replace("{actions}", f"ON DELETE {action} ON UPDATE {action}") for s in COPIED]
    with journalled(owner_server, *schema) as database:
        check(
            database,
            "DELETE FROM parent WHERE code = 'a'",
            "DELETE FROM child WHERE id = 10",
            "INSERT INTO parent (code) VALUES ('a')",
            replaced=1,
        )
    # The row with the lesser number is changed back first, and had the other one's value.
    with journalled(owner_server, *schema) as database:
        check(
            database,
            "UPDATE parent SET code = 'x' WHERE id = 3",
            "UPDATE parent SET code = 'c' WHERE id = 2",
            replaced=1,
        )


@pytest.mark.parametrize(
    "parent",
    [
        "CREATE TABLE parent (id int PRIMARY KEY, turn int GENERATED ALWAYS AS IDENTITY, n int)",
        "CREATE TABLE parent (id int, note text, n int, PRIMARY KEY (id) INCLUDE (note))",
        "CREATE TABLE root (id int PRIMARY KEY, n int) PARTITION BY LIST (id);"
        " CREATE TABLE parent PARTITION OF root DEFAULT",
    ],
)
def test_rows_that_others_refer_to_are_never_away(
    owner_server: PostgresServer, parent: str
) -> None:
    child = "CREATE TABLE child (parent int REFERENCES parent ON DELETE CASCADE)"
    rows = "INSERT INTO parent (id, n) VALUES (1, 1); INSERT INTO child VALUES (1)"
    with journalled(owner_server, parent, child, rows) as database:
        check(database, "UPDATE parent SET n = 2")
        check(database, "INSERT INTO parent (id, n) VALUES (2, 2)", "DELETE FROM child")


def test_a_rule_of_a_table_that_refers_to_another_costs_a_new_database(
    owner_server: PostgresServer,
) -> None:
    schema = (
        *family("ON DELETE CASCADE"),
        "CREATE RULE no AS ON DELETE TO child DO INSTEAD NOTHING",
    )
    with journalled(owner_server, *schema) as database:
        check(database, "INSERT INTO parent VALUES (4, 'four', 4)", replaced=1)


def test_what_a_fixture_did_and_cannot_be_put_back_ends_with_it(
    owner_server: PostgresServer,
) -> None:
    schema = (
        "CREATE TABLE parent (id serial PRIMARY KEY, code text UNIQUE)",
        "CREATE TABLE child (parent int REFERENCES parent)",
        "INSERT INTO parent (code) VALUES ('one'), ('two')",
    )
    with journalled(owner_server, *schema) as database:
        before = database.contents()
        since = database.reset.snapshot()
        database.run(
            "UPDATE parent SET code = 'x' WHERE id = 1",
            "UPDATE parent SET code = 'one' WHERE id = 2",
            "UPDATE parent SET code = 'two' WHERE id = 1",
            "INSERT INTO parent (code) VALUES ('three')",
        )
        database.reset.claim(1, since=since, who="a fixture")
        database.reset.end(1)

        assert (database.contents(), database.replaced) == (before, 1)


@pytest.mark.parametrize(
    "command",
    [
        "DROP MATERIALIZED VIEW kept",
        "ALTER MATERIALIZED VIEW kept RENAME TO hidden",
        "REFRESH MATERIALIZED VIEW kept WITH NO DATA",
        "REFRESH MATERIALIZED VIEW empty",
    ],
)
def test_a_materialized_view_may_be_empty_or_gone(
    owner_server: PostgresServer, command: str
) -> None:
    schema = (
        "CREATE TABLE t (id int)",
        "CREATE MATERIALIZED VIEW kept AS SELECT 1",
        "CREATE MATERIALIZED VIEW empty AS SELECT 1 WITH NO DATA",
    )
    with journalled(owner_server, *schema) as database:
        check(database, "INSERT INTO t VALUES (1)")
        check(database, "INSERT INTO t VALUES (1)", command, replaced=1)


SELDOM = (
    "CREATE TABLE t (id int NOT NULL, n int NOT NULL, CONSTRAINT t_id UNIQUE (id), CONSTRAINT t_n UNIQUE (n))",
    "ALTER TABLE t REPLICA IDENTITY USING INDEX t_id",
    "CREATE TABLE one (); CREATE TABLE other ()",
    "CREATE TYPE pair AS (a int, b int)",
    "CREATE PUBLICATION news FOR TABLE t",
    "CREATE STATISTICS st ON id, n FROM t",
    'CREATE COLLATION plain FROM "C"',
    "CREATE TEXT SEARCH CONFIGURATION words (COPY = simple)",
    "CREATE TEXT SEARCH DICTIONARY dict (TEMPLATE = simple)",
)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("ALTER TABLE t CLUSTER ON t_n", "index public.t_n was changed"),
        ("ALTER TABLE t REPLICA IDENTITY USING INDEX t_n", "index public.t_n was changed"),
        ("ALTER TABLE one INHERIT other", "table public.one was changed"),
        ("REVOKE USAGE ON TYPE pair FROM public", "composite type public.pair was changed"),
        ("COMMENT ON SCHEMA public IS 'x'", "schema public was"),
        ("ALTER PUBLICATION news ADD TABLE one", "publication of table public.one in publication"),
        ("ALTER PUBLICATION news SET (publish = 'insert')", "publication news was changed"),
        ("DROP PUBLICATION news", "publication news was dropped"),
        ("ALTER STATISTICS st SET STATISTICS 10", "statistics object public.st was changed"),
        ("ALTER COLLATION plain RENAME TO simple", "collation public.plain was changed"),
        (
            "ALTER TEXT SEARCH CONFIGURATION words DROP MAPPING FOR word",
            "configuration public.words",
        ),
        ("ALTER TEXT SEARCH DICTIONARY dict (StopWords = english)", "dictionary public.dict was"),
    ],
)
def test_what_is_seldom_changed_is_noticed_too(
    owner_server: PostgresServer, command: str, told: str
) -> None:
    with journalled(owner_server, *SELDOM) as database:
        database.run(command)
        noticed = database.noticed()
        database.reset.finish("a test")

        assert told in str(noticed)
        assert database.replaced == 1
