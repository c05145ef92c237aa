"""The SQL of the journal: pure text, with every name and value quoted."""

from __future__ import annotations

import re

import pytest

from testkit.isolation.journal import Journal
from testkit.isolation.sql_text import literal, quoted
from testkit.isolation.tables import SequenceName, TableFacts
from tests.support.tables import facts

SUPERUSER = Journal(superuser=True, server_version=180000)
OWNER = Journal(superuser=False, server_version=180000)


def tracked(tables: list[TableFacts], journal: Journal = SUPERUSER) -> str:
    return journal.track_script(tables, [], [])


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
    keyed, keyless = tracked([facts()]), tracked([facts(key=[], equals=[])])

    assert 't."id" = x."id"' in keyed
    assert "row_number() OVER" in keyless
    assert "row_number() OVER" not in keyed


def test_generated_columns_are_never_written_back() -> None:
    script = tracked([facts(stored=["id"])])

    assert 'INSERT INTO "public"."people" ("id") OVERRIDING SYSTEM VALUE' in script


def test_a_table_of_inheritance_is_noted_for_replacement_instead() -> None:
    script = tracked([facts(inherits=True)])

    assert "pg_testkit.note_replacement('table inheritance')" in script
    assert "REFERENCING" not in script


@pytest.mark.parametrize("name", ['semi"; DROP SCHEMA public; --', "o'hara", "back\\slash", "ü %s"])
def test_a_hostile_name_stays_inside_its_quotes(name: str) -> None:
    script = tracked([facts(schema=name, name=name, key=[name], stored=[name])])

    assert f"{quoted(name)}.{quoted(name)}" in script
    assert name not in script.replace(quoted(name), "").replace(literal(name), "")


@pytest.mark.parametrize("journal", [SUPERUSER, OWNER])
def test_the_script_that_installs_the_journal_is_the_same_every_time(journal: Journal) -> None:
    script = journal.install_script()

    assert script == journal.install_script()
    assert f"CREATE SCHEMA {journal.schema};" in script
    assert f"FUNCTION {journal.schema}.write()" in script


def test_the_journal_of_an_owner_asks_for_nothing_that_only_superusers_may() -> None:
    script = OWNER.install_script() + tracked([facts()], OWNER)

    assert "pg_testkit." not in script
    for word in ("EVENT TRIGGER", "allow_system_table_mods", "session_replication_role"):
        assert word not in script


@pytest.mark.parametrize("fact", ["rules", "forced"])
def test_rows_that_an_owner_cannot_put_back_are_noted_for_replacement(fact: str) -> None:
    changed = facts(**{fact: True})

    assert "note_replacement('" in tracked([changed], OWNER)
    assert "note_replacement('" not in tracked([changed])


def test_an_older_server_reads_its_sequences_one_by_one() -> None:
    names = [SequenceName(12, "s", "one"), SequenceName(13, "s", 'o"dd')]
    older = Journal(superuser=True, server_version=150000)
    old = older.track_script([], names, [])

    assert 'FROM "s"."one" s UNION ALL SELECT 13::oid' in old
    assert '"o""dd"' in old
    assert "UNION ALL" not in SUPERUSER.track_script([], names, [])
    assert "pg_get_sequence_data" not in older.install_script()
