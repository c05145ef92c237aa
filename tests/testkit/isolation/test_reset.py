"""What a test commits is undone: rows, sequences, in every kind of table."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, inspect

from tests.support.journalled import PEOPLE, journalled, needs, needs_superuser

if TYPE_CHECKING:
    from testkit.servers.postgres import PostgresServer

ORDERS = (
    *PEOPLE,
    "CREATE TABLE orders (id int PRIMARY KEY, person int REFERENCES people ON DELETE CASCADE)",
    "INSERT INTO orders SELECT g, 1 + g % 3 FROM generate_series(1, 9) g",
)
CIRCLE = (
    "CREATE TABLE boss (id int PRIMARY KEY, team int)",
    "CREATE TABLE team (id int PRIMARY KEY, boss int NOT NULL REFERENCES boss DEFERRABLE)",
    "ALTER TABLE boss ADD FOREIGN KEY (team) REFERENCES team DEFERRABLE",
    "INSERT INTO boss VALUES (1, NULL)",
    "INSERT INTO team VALUES (1, 1)",
    "UPDATE boss SET team = 1",
)
PARTED = (
    "CREATE TABLE log (at date, word text, PRIMARY KEY (at, word)) PARTITION BY RANGE (at)",
    "CREATE TABLE log_a PARTITION OF log FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')",
    "CREATE TABLE log_b (word text NOT NULL, gone int, at date NOT NULL)",
    "ALTER TABLE log_b DROP COLUMN gone",
    "ALTER TABLE log ATTACH PARTITION log_b FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')",
    "INSERT INTO log VALUES ('2026-01-05', 'x'), ('2026-02-05', 'y')",
)
KEYLESS = (
    "CREATE TABLE words (word text, odd json)",
    """INSERT INTO words VALUES ('a', '{"k":1}'), ('a', '{"k":1}'), ('a', '{"k":1}'), (NULL, NULL)""",
)
ODD_NAMES = (
    'CREATE SCHEMA "Other ""One"""',
    'CREATE TABLE "Other ""One"""."Some Table; --" ("a ""b""" int PRIMARY KEY, pg_testkit int,'
    ' "came" text, x text, t text)',
    'INSERT INTO "Other ""One"""."Some Table; --" VALUES (1, 2, $$back\\slash$$, \'c\', \'d\')',
)
COMPUTED = (
    "CREATE TABLE made (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n int,"
    " twice int GENERATED ALWAYS AS (n * 2) STORED, thrice int GENERATED ALWAYS AS (n * 3) VIRTUAL)",
    "INSERT INTO made (n) VALUES (1), (2)",
)
STUBBORN = (
    "CREATE TABLE kept (id int PRIMARY KEY)",
    "INSERT INTO kept VALUES (1)",
    "CREATE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN RAISE 'rows stay'; END $$",
    "CREATE TRIGGER forbid BEFORE DELETE ON kept FOR EACH ROW EXECUTE FUNCTION forbid()",
)
TYPES = (
    "CREATE TYPE mood AS ENUM ('glad', 'sad, \"very\"')",
    "CREATE TYPE pair AS (a int, b text)",
    "CREATE DOMAIN positive AS int CHECK (value > 0)",
    "CREATE TABLE typed (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), m mood, p pair, d positive,"
    " a text[], r int4range, i interval, w tsvector, c regclass, s smallserial)",
    "INSERT INTO typed (m, p, d, a, r, i, w, c) VALUES ('glad', '(1,\"x, y\")', 3, '{a,NULL,\"b c\"}',"
    " '[1,5)', '1 mon 2 days 03:00', 'fat cats', 'typed')",
)

PROGRAMS = {
    "insert": (PEOPLE, ["INSERT INTO people (name) VALUES ('new')"]),
    "insert and delete": (
        PEOPLE,
        ["INSERT INTO people (name) VALUES ('n')", "DELETE FROM people WHERE name = 'n'"],
    ),
    "update": (PEOPLE, ["UPDATE people SET name = name || '!', score = -score"]),
    "update there and back": (
        PEOPLE,
        [
            "UPDATE people SET name = 'x' WHERE id = 1",
            "UPDATE people SET name = 'ada' WHERE id = 1",
        ],
    ),
    "swap of unique values": (
        PEOPLE,
        [
            "UPDATE people SET name = 'tmp' WHERE id = 1",
            "UPDATE people SET name = 'ada' WHERE id = 2",
            "UPDATE people SET name = 'bob' WHERE id = 1",
        ],
    ),
    "shift of a primary key": (ORDERS, ["UPDATE orders SET id = id + 100"]),
    "delete": (PEOPLE, ["DELETE FROM people WHERE id = 2"]),
    "delete and insert of one key": (
        PEOPLE,
        ["DELETE FROM people WHERE id = 2", "INSERT INTO people (id, name) VALUES (2, 'other')"],
    ),
    "cascade": (ORDERS, ["DELETE FROM people WHERE id = 1"]),
    "truncate": (KEYLESS, ["TRUNCATE words"]),
    "truncate cascade with identity": (
        ORDERS,
        ["TRUNCATE people RESTART IDENTITY CASCADE", "INSERT INTO people (name) VALUES ('ada')"],
    ),
    "upsert": (
        PEOPLE,
        [
            "INSERT INTO people (name) VALUES ('ada'), ('eve')"
            " ON CONFLICT (name) DO UPDATE SET score = 7"
        ],
    ),
    "merge": (
        PEOPLE,
        [
            "MERGE INTO people p USING (VALUES ('ada'), ('zed')) v(n) ON p.name = v.n"
            " WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (name) VALUES (v.n)"
        ],
    ),
    "writing query": (
        PEOPLE,
        [
            "WITH gone AS (DELETE FROM people WHERE id = 1 RETURNING *)"
            " INSERT INTO people (id, name) SELECT id + 50, name || '2' FROM gone"
        ],
    ),
    "copy": (KEYLESS, ["COPY words FROM PROGRAM 'printf \"c\\t\\\\\\\\N\\n\"'"]),
    "sequence": (PEOPLE, ["SELECT nextval('people_id_seq') FROM generate_series(1, 100)"]),
    "setval": (PEOPLE, ["SELECT setval('people_id_seq', 4711, false)"]),
    "circular keys": (
        CIRCLE,
        ["BEGIN; SET CONSTRAINTS ALL DEFERRED; DELETE FROM team; DELETE FROM boss; COMMIT"],
    ),
    "partition through the root": (
        PARTED,
        ["INSERT INTO log VALUES ('2026-01-09', 'n'), ('2026-02-09', 'm')"],
    ),
    "partition through a leaf": (
        PARTED,
        ["INSERT INTO log_b VALUES ('leaf', '2026-02-11')", "DELETE FROM log_a"],
    ),
    "in by the root, out by the leaf": (
        PARTED,
        ["INSERT INTO log VALUES ('2026-02-09', 'm')", "DELETE FROM log_b WHERE word = 'm'"],
    ),
    "a row that changes its partition": (
        PARTED,
        ["UPDATE log SET at = '2026-02-20' WHERE word = 'x'"],
    ),
    "truncate of a partitioned table": (PARTED, ["TRUNCATE log"]),
    "equal rows without a key": (KEYLESS, ["INSERT INTO words VALUES ('a', '{\"k\":1}')"]),
    "some of equal rows deleted": (
        KEYLESS,
        ["DELETE FROM words WHERE ctid IN (SELECT ctid FROM words WHERE word = 'a' LIMIT 2)"],
    ),
    "names that need quoting": (
        ODD_NAMES,
        [
            'INSERT INTO "Other ""One"""."Some Table; --" VALUES (5)',
            'UPDATE "Other ""One"""."Some Table; --" SET came = $$q\'"$$',
            'DELETE FROM "Other ""One"""."Some Table; --" WHERE pg_testkit = 2',
        ],
    ),
    "computed columns": (
        COMPUTED,
        [
            "UPDATE made SET n = n + 10",
            "INSERT INTO made (n) VALUES (3)",
            "DELETE FROM made WHERE id = 1",
        ],
    ),
    "a trigger that forbids deletes": (STUBBORN, ["INSERT INTO kept VALUES (2)"]),
    "types of every kind": (
        TYPES,
        [
            "UPDATE typed SET m = 'sad, \"very\"', p = ROW(2, NULL), a = '{}'",
            "INSERT INTO typed (m) VALUES ('sad, \"very\"')",
        ],
    ),
    "types deleted": (TYPES, ["DELETE FROM typed"]),
    "a session in replica role": (
        ORDERS,
        ["SET session_replication_role = replica; DELETE FROM people"],
    ),
    "a session with other formats": (
        PEOPLE,
        [
            "SET TimeZone = 'Asia/Kathmandu'; SET DateStyle = 'German'; SET bytea_output = 'escape';"
            " SET extra_float_digits = 0; UPDATE people SET score = score + 1, facts = '[]'",
            "UPDATE people SET name = upper(name)",
            "SET TimeZone = 'America/St_Johns'; SET search_path = ''; DELETE FROM public.people",
        ],
    ),
    "a savepoint rolled back": (
        PEOPLE,
        [
            "BEGIN; INSERT INTO people (name) VALUES ('in'); SAVEPOINT s; DELETE FROM people;"
            " ROLLBACK TO s; INSERT INTO people (name) VALUES ('after'); COMMIT"
        ],
    ),
    "everything rolled back": (PEOPLE, ["BEGIN; DELETE FROM people; ROLLBACK"]),
    "vacuum full": (PEOPLE, ["INSERT INTO people (name) VALUES ('v')", "VACUUM FULL people"]),
    "temporary tables": (
        PEOPLE,
        [
            "CREATE TEMP TABLE t AS SELECT * FROM people; DROP TABLE t;"
            " CREATE TEMP TABLE u (id int); INSERT INTO u VALUES (1)"
        ],
    ),
}


# Programs that leave the rows as they were, and must be undone all the same.
NO_NET_CHANGE = {
    "update there and back",
    "everything rolled back",
    "in by the root, out by the leaf",
    "temporary tables",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_was_committed_is_undone(server: PostgresServer, name: str) -> None:
    if name == "merge":
        needs(server, 15, "MERGE")
    if name in ("copy", "a session in replica role"):
        needs_superuser(server, "do that")
    schema, program = PROGRAMS[name]
    with journalled(server, *schema) as database:
        before = database.contents()
        database.run(*program)
        changed = database.contents() != before
        database.reset.finish("a test")

        assert changed == (name not in NO_NET_CHANGE)
        assert database.contents() == before
        assert database.replaced == 0


def test_a_second_reset_finds_nothing_to_do(server: PostgresServer) -> None:
    with journalled(server, *PEOPLE) as database:
        before = database.contents()
        for _ in range(3):
            database.run("UPDATE people SET name = name || '!'")
            database.reset.finish("a test")
            database.reset.finish("another test")

        assert database.contents() == before


def test_a_read_only_test_leaves_the_wal_position_where_it_was(
    server: PostgresServer,
) -> None:
    with journalled(server, *PEOPLE) as database:
        before = database.contents()
        database.reset.finish("a test")
        database.run("SELECT * FROM people")
        database.reset.finish("a test that reads")
        database.run("SELECT nextval('people_id_seq')")
        database.reset.finish("a test that draws one number")

        assert database.contents() == before


def test_a_number_of_an_unlogged_sequence_is_drawn_without_a_trace(
    server: PostgresServer,
) -> None:
    needs(server, 15, "An unlogged sequence")
    schema = "CREATE UNLOGGED SEQUENCE quick; SELECT nextval('quick')"
    with journalled(server, *PEOPLE, schema) as database, database.connect() as connection:
        before = database.contents()
        for _ in range(2):
            database.reset.finish("a test")
            connection.execute("SELECT nextval('quick')")
        database.reset.finish("a test that draws one number")

        assert database.contents() == before


def test_rows_of_several_connections_go_and_uncommitted_ones_never_come(
    server: PostgresServer,
) -> None:
    with journalled(server, *PEOPLE) as database:
        before = database.contents()
        with database.connect() as one, database.connect() as two:
            one.execute("INSERT INTO people (name) VALUES ('one')")
            two.execute("BEGIN")
            two.execute("INSERT INTO people (name) VALUES ('two')")
            one.execute("DELETE FROM people WHERE name = 'one'")
            one.execute("INSERT INTO people (name) VALUES ('three')")
            two.execute("ROLLBACK")
        database.reset.finish("a test")

        assert database.contents() == before


def test_tables_are_vacuumed_now_and_then(server: PostgresServer) -> None:
    with journalled(server, *PEOPLE) as database:
        with database.connect() as connection:
            for number in range(201):
                connection.execute("UPDATE people SET score = %s", (number,))
                database.reset.finish("a test")
            row = connection.execute("SELECT pg_table_size('people')").fetchone()

        assert row is not None
        assert row[0] < 600_000  # 201 resets without VACUUM leave more than a thousand dead rows


def test_an_ordinary_role_writes_under_the_journal_too(postgres_server: PostgresServer) -> None:
    role = f"plain_{secrets.token_hex(4)}"
    with journalled(postgres_server, *PEOPLE) as database:
        before = database.contents()
        with postgres_server.connect(database.name) as admin:
            admin.execute("SET testkit.quiet = 'on'")
            admin.execute(f"CREATE ROLE {role}".encode())
            try:
                admin.execute(f"GRANT ALL ON people TO {role}".encode())
                database.run(
                    f"SET ROLE {role}; INSERT INTO people (id, name) VALUES (77, 'x');"
                    " DELETE FROM people WHERE id = 1"
                )
                database.reset.finish("a test")

                assert database.contents() == before
            finally:
                admin.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


def test_the_journal_is_not_seen_by_reflection(postgres_server: PostgresServer) -> None:
    with journalled(postgres_server, *PEOPLE) as database:
        engine = create_engine(postgres_server.address(database.name).url())
        try:
            inspector = inspect(engine)
            seen = {
                schema: inspector.get_table_names(schema) for schema in inspector.get_schema_names()
            }
        finally:
            engine.dispose()

        assert {s: t for s, t in seen.items() if s != "information_schema"} == {
            "public": ["people"]
        }


VIRTUAL = (
    "CREATE TABLE v (a int PRIMARY KEY, b int GENERATED ALWAYS AS (a * 2) VIRTUAL)",
    "CREATE TABLE w (a int, b int GENERATED ALWAYS AS (a * 2) VIRTUAL)",
    "INSERT INTO v VALUES (1), (2)",
    "INSERT INTO w VALUES (1), (1)",
)


@pytest.mark.parametrize(
    "program",
    [
        ["INSERT INTO v VALUES (5)", "TRUNCATE v"],
        ["UPDATE v SET a = a + 10", "TRUNCATE v"],
        ["INSERT INTO w VALUES (1), (7)"],
        ["UPDATE w SET a = 9", "TRUNCATE w", "INSERT INTO w VALUES (1)"],
        ["DELETE FROM w"],
    ],
)
def test_virtual_columns_do_not_make_equal_rows_differ(
    server: PostgresServer, program: list[str]
) -> None:
    """A transition table holds NULL for them, a scan of the table their value."""
    with journalled(server, *VIRTUAL) as database:
        before = database.contents()
        database.run(*program)
        changed = database.contents() != before
        database.reset.finish("a test")

        assert changed
        assert database.contents() == before


@pytest.mark.parametrize("holder", ["regs", "domained", "paired"])
def test_names_of_relations_inside_other_types_do_not_depend_on_the_search_path(
    server: PostgresServer, holder: str
) -> None:
    schema = (
        "CREATE SCHEMA other",
        "CREATE TABLE other.target (id int)",
        "CREATE DOMAIN place AS regclass",
        "CREATE TYPE pair AS (r regclass, n int)",
        "CREATE TABLE regs (c regclass[])",
        "CREATE TABLE domained (c place)",
        "CREATE TABLE paired (c pair)",
    )
    value = {
        "regs": "ARRAY['other.target'::regclass]",
        "domained": "'other.target'::regclass",
        "paired": "ROW('other.target'::regclass, 1)::public.pair",
    }[holder]
    with journalled(server, *schema) as database:
        before = database.contents()
        database.run(f"SET search_path = other, public; INSERT INTO {holder} VALUES ({value})")
        database.reset.finish("a test")

        assert database.contents() == before
