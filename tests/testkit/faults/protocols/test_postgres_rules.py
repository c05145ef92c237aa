"""Faults of statements of Postgres, declared: what is chosen, what is refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from testkit.core.messages import TestkitError
from testkit.faults.protocols.postgres_rules import PostgresRules
from testkit.faults.protocols.postgres_statements import statement
from testkit.faults.protocols.rules import Answer, Rule

if TYPE_CHECKING:
    from collections.abc import Callable


def declared() -> PostgresRules[Rule]:
    return PostgresRules(lambda rule: rule)


@pytest.mark.parametrize(
    ("name", "sql"),
    [
        ("insert", "INSERT INTO t VALUES (1)"),
        ("SELECT", "  -- one\n/* two */ (select 1)"),
        ("COMMIT", "END"),
        ("COMMIT", "commit;"),
        ("ROLLBACK", "abort"),
        ("BEGIN", "START TRANSACTION"),
        ("COMMIT", "INSERT INTO t VALUES (';'); COMMIT"),
    ],
)
def test_a_statement_has_the_name_of_its_first_keyword(name: str, sql: str) -> None:
    rule = declared().request(name).every().lost()

    assert rule.counts(statement(sql.encode()))


@pytest.mark.parametrize(
    ("name", "sql"),
    [
        ("COMMIT", "SELECT '; COMMIT'"),
        ("COMMIT", "SELECT $a$; COMMIT; $a$"),
        ("COMMIT", "SELECT 1 -- ; COMMIT"),
        ("COMMIT", 'SELECT 1 AS "; COMMIT"'),
        ("END", "COMMIT"),
        ("INSERT", "WITH new AS (SELECT 1) INSERT INTO t SELECT * FROM new"),
    ],
)
def test_a_word_elsewhere_is_no_keyword(name: str, sql: str) -> None:
    rule = declared().request(name).every().lost()

    assert not rule.counts(statement(sql.encode()))


@pytest.mark.parametrize(
    ("table", "sql", "expected"),
    [
        ("outbox", "INSERT INTO outbox (id) VALUES (1)", True),
        ("outbox", 'insert into "Outbox" values (1)', True),
        ("OUTBOX", "INSERT INTO public.outbox VALUES (1)", True),
        ("public.outbox", 'INSERT INTO "public" . "outbox" VALUES (1)', True),
        ('public."outbox"', "INSERT INTO public.outbox VALUES (1)", True),
        ("public.outbox", "INSERT INTO outbox VALUES (1)", False),
        ("outbox", "INSERT INTO outbox_old VALUES (1)", False),
        ("outbox", "INSERT INTO old$outbox VALUES (1)", False),
        ("outbox", "INSERT INTO t VALUES ('outbox') -- outbox", False),
        ("outbox", "INSERT INTO t VALUES (E'\\'outbox')", False),
        ("a.b", "INSERT INTO axb VALUES (1)", False),
    ],
)
def test_a_table_is_a_word_of_the_statement(
    table: str,
    sql: str,
    expected: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    rule = declared().request("INSERT", table=table).lost()

    assert rule.counts(statement(sql.encode())) is expected


@pytest.mark.parametrize("begin", ["'", "E'", '"', "$a$", "/*", "--", "E'\\", "$", "\\"])
@pytest.mark.parametrize("rest", ['"', "'", "$a$b", "/*", "\\'", "''", "a"])
def test_what_never_ends_goes_to_the_end(begin: str, rest: str) -> None:
    found = statement(f"SELECT 1; {begin}{rest * 30_000}".encode())

    assert found.names[0] == "SELECT"
    assert len(found.sql) <= 64 * 1024


def test_a_regular_expression_sees_the_whole_text() -> None:
    sql = statement(b"UPDATE t SET done = 'yes' -- by hand")
    by_text = declared().request(sql="DONE = 'yes'.*by hand").lost()
    compiled = declared().request("UPDATE", sql=re.compile("by HAND")).lost()

    assert by_text.counts(sql)
    assert not compiled.counts(sql)


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        ("insert into outbox values (1)", "request INSERT outbox"),
        ('SELECT * FROM "public"."modules" m', "request SELECT public.modules"),
        ("UPDATE ONLY t SET a = 1", "request UPDATE t"),
        ("COMMIT", "request COMMIT"),
        (";", "request of no statement"),
        ("SELECT 1 FROM " + "x" * 100, "request SELECT " + "x" * 53),
    ],
)
def test_the_log_names_a_statement_and_its_table(sql: str, shown: str) -> None:
    assert statement(sql.encode()).asked.what == shown


def test_an_answer_is_an_error_of_the_server() -> None:
    rule = declared().request("COMMIT").answered(sqlstate="40001", message="try again")

    assert rule.action == Answer(b"E\0\0\0\x25SERROR\0VERROR\0C40001\0Mtry again\0\0")
    assert rule.text == "request('COMMIT').answered(sqlstate='40001', message='try again')"


WRONG: Any = declared()


@pytest.mark.parametrize(
    ("code", "call", "said"),
    [
        ("TK620", WRONG.request, "it needs a keyword"),
        ("TK620", lambda: WRONG.request("INSERT INTO"), "the keyword is one word"),
        ("TK620", lambda: WRONG.request(7), "the keyword is one word"),
        ("TK620", lambda: WRONG.request(table=""), "a table is a name"),
        ("TK620", lambda: WRONG.request(table="public."), "a table is a name"),
        ("TK620", lambda: WRONG.request(sql="("), "no regular expression"),
        ("TK620", lambda: WRONG.request(sql=re.compile(b"x")), "of text, not of bytes"),
        ("TK620", lambda: WRONG.request(sql=7), "of text, not of bytes"),
        ("TK621", lambda: WRONG.reply("COMMIT").nth(0), "reply('COMMIT').nth(0)"),
        ("TK622", lambda: WRONG.reply("COMMIT").answered(sqlstate="40001"), "request()"),
        ("TK622", lambda: WRONG.request("COMMIT").answered(sqlstate="4001"), "five digits"),
        ("TK622", lambda: WRONG.request("COMMIT").answered(sqlstate="00000"), "five digits"),
        ("TK622", lambda: WRONG.request("COMMIT").answered(sqlstate=40001), "five digits"),
        (
            "TK622",
            lambda: WRONG.request("COMMIT").answered(sqlstate="40001", message="\0"),
            "zero bytes",
        ),
    ],
)
def test_what_cannot_be_declared_is_told(code: str, call: Callable[[], object], said: str) -> None:
    with pytest.raises(TestkitError) as caught:
        call()

    assert caught.value.code == code
    assert said in str(caught.value)
