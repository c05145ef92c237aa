"""The SQL of the journal: pure text, with every name and value quoted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql

from testkit.isolation.journal import (
    SequenceName,
    TableFacts,
    _literal,
    _quoted,
    install_script,
    track_script,
)

if TYPE_CHECKING:
    from testkit.servers.postgres import PostgresServer

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


def facts(**changes: Any) -> TableFacts:
    values: dict[str, Any] = {
        "oid": 4711,
        "root": 4711,
        "schema": "public",
        "name": "people",
        "partitioned": False,
        "key": ["id"],
        "stored": ["id", "name"],
        "root_columns": ["id", "name"],
        "virtual": [],
        "root_name": "public.people",
        "reordered": False,
        "by_name": False,
        "inherits": False,
        "shape": "4711|public|people",
    }
    return TableFacts(**values | changes)


def tracked(tables: list[TableFacts]) -> str:
    return track_script(tables, [], server_version=180000)


@given(name=TEXT.filter(bool))
def test_a_quoted_name_is_the_identifier_that_psycopg_writes(name: str) -> None:
    assert _quoted(name) == sql.Identifier(name).as_string(None)


@given(text=TEXT)
def test_a_literal_has_no_quote_or_backslash_that_ends_it(text: str) -> None:
    literal = _literal(text)
    escaping = literal.startswith("E")
    body = literal.removeprefix("E")[1:-1]
    unescaped = body.replace("''", "'")

    assert escaping == ("\\" in text)
    assert (unescaped.replace("\\\\", "\\") if escaping else unescaped) == text


def test_postgres_reads_the_literals_as_they_were_meant(postgres_server: PostgresServer) -> None:
    texts = ["plain", "o'hara", "back\\slash", "\\'; DROP TABLE x; --", "$$", "%s", "ü\n\t", "E'"]
    query = "SELECT ARRAY[" + ", ".join(map(_literal, texts)) + "]::text[]"
    with postgres_server.connect() as connection:
        found = [connection.execute(query.encode()).fetchone()]
        connection.execute("SET standard_conforming_strings = off")
        backslash = connection.execute(f"SELECT {_literal(chr(92))}".encode()).fetchone()

    assert found == [(texts,)]
    assert backslash == ("\\",)


def test_each_statement_of_a_plain_table_has_its_trigger_and_the_table_its_undo() -> None:
    script = tracked([facts()])
    triggers = re.findall(r'CREATE TRIGGER " testkit (.)" (\w+ \w+) ON "public"."people"', script)

    assert triggers == [
        ("i", "AFTER INSERT"),
        ("u", "AFTER UPDATE"),
        ("d", "AFTER DELETE"),
        ("t", "BEFORE TRUNCATE"),
    ]
    assert script.count('ENABLE ALWAYS TRIGGER " testkit') == 4
    assert "pg_testkit.undo_4711(" in script
    assert "pg_testkit.write('4711')" in script


def test_a_partitioned_root_has_no_trigger_for_truncate() -> None:
    script = tracked([facts(partitioned=True)])

    assert "BEFORE TRUNCATE" not in script
    assert script.count("CREATE TRIGGER") == 3


def test_a_leaf_writes_under_its_root_and_has_no_undo_of_its_own() -> None:
    script = tracked([facts(oid=12, root=4711, name="leaf")])

    assert "pg_testkit.write('4711')" in script
    assert "pg_testkit.undo_" not in script


def test_a_leaf_with_its_columns_in_another_order_writes_rows_of_its_root() -> None:
    script = tracked(
        [facts(oid=12, name="leaf", reordered=True, root_columns=['a "b"', "c"], root_name="p.r")]
    )

    assert "FUNCTION pg_testkit.write_12()" in script
    assert 'ROW(pg_testkit_row."a ""b""", pg_testkit_row."c")::p.r::text' in script


def test_a_table_without_a_key_is_undone_by_counting_equal_rows() -> None:
    keyed, keyless = tracked([facts()]), tracked([facts(key=[])])

    assert 't."id" = x."id"' in keyed
    assert "row_number() OVER" in keyless
    assert "row_number() OVER" not in keyed


def test_generated_columns_are_never_written_back() -> None:
    script = tracked([facts(stored=["id"])])

    assert 'INSERT INTO "public"."people" ("id") OVERRIDING SYSTEM VALUE' in script


def test_a_table_of_inheritance_is_noted_for_replacement_instead() -> None:
    script = tracked([facts(inherits=True)])

    assert "pg_testkit.note_replacement()" in script
    assert "REFERENCING" not in script


@pytest.mark.parametrize("name", ['semi"; DROP SCHEMA public; --', "o'hara", "back\\slash", "ü %s"])
def test_a_hostile_name_stays_inside_its_quotes(name: str) -> None:
    script = tracked([facts(schema=name, name=name, key=[name], stored=[name])])

    assert f"{_quoted(name)}.{_quoted(name)}" in script
    assert name not in script.replace(_quoted(name), "").replace(_literal(name), "")


def test_the_script_that_installs_the_journal_is_the_same_every_time() -> None:
    assert install_script(180000) == install_script(180000)
    assert "CREATE SCHEMA pg_testkit" in install_script(180000)
    assert "FUNCTION pg_testkit.write()" in install_script(180000)


def test_an_older_server_reads_its_sequences_one_by_one() -> None:
    names = [SequenceName(12, "s", "one"), SequenceName(13, "s", 'o"dd')]
    old = track_script([], names, server_version=150000)

    assert 'FROM "s"."one" s UNION ALL SELECT 13::oid' in old
    assert '"o""dd"' in old
    assert "UNION ALL" not in track_script([], names, server_version=180000)
    assert "pg_get_sequence_data" not in install_script(150000)
