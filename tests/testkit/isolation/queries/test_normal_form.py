"""Statements that differ in values, layout or comments are the same; others are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testkit.isolation.queries.normal_form import controls_transaction, normalised, shortened


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT a\n  FROM t ;", "SELECT a FROM t"),
        ("SELECT /* trace=7 */ a -- why\nFROM t", "SELECT a FROM t"),
        ("SELECT 1, 2.5, 1e-3, -4", "SELECT ?, ?, ?, -?"),
        ("SELECT t1.c2, x_3 FROM t1", "SELECT t1.c2, x_3 FROM t1"),
        ("SELECT 'it''s', E'a\\'b', x'ff', $$a'b$$, $q$a$$b$q$", "SELECT ?, ?, ?, ?, ?"),
        ("SELECT 'a -- b /* c', \"d ' 1\"", 'SELECT ?, "d \' 1"'),
        ("SELECT %(id_1)s::INTEGER, %s, $1::VARCHAR", "SELECT ?::INTEGER, ?, ?::VARCHAR"),
        ("x IN (%(a_1)s::INTEGER, %(a_2)s::INTEGER)", "x IN (?::INTEGER, …)"),
        ("x IN (1)", "x IN (?, …)"),
        ("x IN (SELECT 1)", "x IN (SELECT ?)"),
        ("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')", "INSERT INTO t VALUES (?, ?), …"),
        ("SELECT f(1), f(2)", "SELECT f(?), f(?)"),
        ("SELECT a::timestamp with time zone", "SELECT a::timestamp with time zone"),
        ("", ""),
    ],
)
def test_a_statement_loses_its_values_and_its_layout(sql: str, expected: str) -> None:
    assert normalised(sql) == expected


@given(st.lists(st.text('a1."$?%()s,;-/* \n:\\é'), min_size=1))
def test_texts_of_any_content_are_values(texts: list[str]) -> None:
    listed = ", ".join(f"'{text}'" for text in texts)
    sql = f"SELECT a FROM t WHERE b IN ({listed})"

    assert normalised(sql) == "SELECT a FROM t WHERE b IN (?, …)"


WORDS = ("SELECT", "a.b1", '"c d"', ",", "(", ")", "=", "1", "'x'", "%(p_1)s", "$1", "E'\\''")
BLANKS = (" ", "\n", "\t  ", " /* trace=7 */ ", " -- why\n", "/**/")


@given(st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(BLANKS)), min_size=1))
def test_layout_and_comments_make_no_difference(parts: list[tuple[str, str]]) -> None:
    plain = " ".join(word for word, _ in parts)
    laid_out = "".join(word + blank for word, blank in parts)

    assert normalised(laid_out) == normalised(plain)


@given(st.text("aE1.'\"$?%()s,;-/* \n:"))
def test_whatever_is_sent_has_a_normal_form(sql: str) -> None:
    form = normalised(sql)

    assert (form, "\n" in form.partition("'")[0].partition('"')[0]) == (form.strip(), False)


@pytest.mark.parametrize(
    "sql",
    [
        *("BEGIN", "begin;", "  COMMIT", "ROLLBACK TO SAVEPOINT a", "SAVEPOINT a", "END"),
        *("RELEASE SAVEPOINT a", "START TRANSACTION READ ONLY", "PREPARE TRANSACTION 'x'"),
        *("/* trace */ BEGIN", "-- why\nCOMMIT", "COMMIT PREPARED 'x'"),
    ],
)
def test_what_controls_a_transaction_is_known(sql: str) -> None:
    assert controls_transaction(sql)


@pytest.mark.parametrize(
    "sql",
    [
        *("SELECT 1", "BEGIN; INSERT INTO t VALUES (1)", "PREPARE p AS SELECT 1", "", "beginning"),
        *("SELECT 'BEGIN'", "SET TRANSACTION READ ONLY", "endpoints"),
    ],
)
def test_what_asks_for_more_counts(sql: str) -> None:
    assert not controls_transaction(sql)


def test_many_comments_take_no_longer_than_a_few() -> None:
    sql = "/* a */ " * 100 + "SELECT 1"

    assert (controls_transaction(sql), normalised(sql)) == (False, "SELECT ?")


def test_both_ends_of_a_long_text_are_kept() -> None:
    text = "SELECT " + ", ".join(f"column_{n}" for n in range(100)) + " FROM t WHERE id = ?"
    short = shortened(text, 100)

    assert (short[:6], " … " in short, short[-20:]) == ("SELECT", True, " FROM t WHERE id = ?")
    assert len(short) <= 100
    assert shortened("SELECT 1", 100) == "SELECT 1"
