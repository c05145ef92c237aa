"""Names and constants: whatever they hold, they stay inside their quotes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql

from testkit.isolation.sql_text import literal, quoted

if TYPE_CHECKING:
    from testkit.servers.postgres import PostgresServer

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


@given(name=TEXT.filter(bool))
def test_a_quoted_name_is_the_identifier_that_psycopg_writes(name: str) -> None:
    assert quoted(name) == sql.Identifier(name).as_string(None)


@given(text=TEXT)
def test_aliteral_has_no_quote_or_backslash_that_ends_it(text: str) -> None:
    constant = literal(text)
    escaping = constant.startswith("E")
    body = constant.removeprefix("E")[1:-1]
    unescaped = body.replace("''", "'")

    assert escaping == ("\\" in text)
    assert (unescaped.replace("\\\\", "\\") if escaping else unescaped) == text


def test_postgres_reads_theliterals_as_they_were_meant(postgres_server: PostgresServer) -> None:
    texts = ["plain", "o'hara", "back\\slash", "\\'; DROP TABLE x; --", "$$", "%s", "ü\n\t", "E'"]
    query = "SELECT ARRAY[" + ", ".join(map(literal, texts)) + "]::text[]"
    with postgres_server.connect() as connection:
        found = [connection.execute(query.encode()).fetchone()]
        connection.execute("SET standard_conforming_strings = off")
        backslash = connection.execute(f"SELECT {literal(chr(92))}".encode()).fetchone()

    assert found == [(texts,)]
    assert backslash == ("\\",)
