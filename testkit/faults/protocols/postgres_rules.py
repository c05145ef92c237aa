"""Faults of statements of Postgres, as a test declares them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Generic, Literal, TypeVar

from testkit.faults.protocols.declaring import Declaration, wrong_action, wrong_choice
from testkit.faults.protocols.postgres_messages import error_response
from testkit.faults.protocols.postgres_statements import table_pattern
from testkit.faults.protocols.rules import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.faults.protocols.postgres_statements import Statement
    from testkit.faults.protocols.rules import Rule

__all__ = ["PostgresDeclaration", "PostgresRules"]

Fault = TypeVar("Fault")

_KEYWORD: Final = re.compile(r"[A-Za-z]+")
_MESSAGE: Final = re.compile(r"[^\0]*")
#: Classes 00, 01 and 02 are no errors.
_SQLSTATE: Final = re.compile(r"(?!0[012])[0-9A-Z]{5}")


class PostgresDeclaration(Declaration[Fault]):
    """A fault of a statement that is being declared."""

    def answered(self, *, sqlstate: str, message: str = "answered by a fault") -> Fault:
        """Answer the statement with an error of severity ERROR; the server never sees it.

        A transaction around it is aborted, on the server as well; one that a COMMIT was to end has
        ended with a ROLLBACK. Raises TK622.
        """
        call = f"{self._what}.answered(sqlstate={sqlstate!r})"
        if self._listens == "reply":
            raise wrong_action(call, "the server answers a reply's request; answer a request()")
        if not _matches(_SQLSTATE, sqlstate):
            reason = "an error's sqlstate is five digits or capitals, such as 40001"
            raise wrong_action(call, reason)
        if not _matches(_MESSAGE, message):
            raise wrong_action(call, "a message is text without zero bytes")
        done = f"answered(sqlstate={sqlstate!r}, message={message!r})"
        return self._declared(Answer(error_response(sqlstate, message)), done)


class PostgresRules(Generic[Fault]):
    """Makes rules for statements; ``declare`` gets each, and what it returns is returned."""

    def __init__(self, declare: Callable[[Rule], Fault]) -> None:
        self._declare = declare

    def request(
        self,
        name: str | None = None,
        *,
        table: str | None = None,
        sql: str | re.Pattern[str] | None = None,
    ) -> PostgresDeclaration[Fault]:
        """Choose a statement by its first keyword, a table in it, or a regular expression.

        In any case of letters. ``table`` is a word of the statement outside of constants and
        comments, quoted or not; with its schema, if it is given with one. ``sql`` is searched in
        the text that the client sent, at most its first 64 KiB. COMMIT means END too, ROLLBACK
        ABORT, BEGIN START TRANSACTION. Raises TK620.
        """
        return self._declaration("request", name, table, sql)

    def reply(
        self,
        name: str | None = None,
        *,
        table: str | None = None,
        sql: str | re.Pattern[str] | None = None,
    ) -> PostgresDeclaration[Fault]:
        """Choose the reply to such a statement: one to a statement sent before counts too.

        Raises TK620.
        """
        return self._declaration("reply", name, table, sql)

    def _declaration(
        self,
        listens: Literal["request", "reply"],
        name: str | None,
        table: str | None,
        sql: str | re.Pattern[str] | None,
    ) -> PostgresDeclaration[Fault]:
        text = sql.pattern if isinstance(sql, re.Pattern) else sql
        given = [] if name is None else [repr(name)]
        given += [
            f"{word}={value!r}"
            for word, value in (("table", table), ("sql", text))
            if value is not None
        ]
        call = f"{listens}({', '.join(given)})"
        if not given:
            raise wrong_choice(call, "it needs a keyword, a table or a regular expression")
        if name is not None and not _matches(_KEYWORD, name):
            raise wrong_choice(call, "the keyword is one word; use sql= for more")
        if table is not None and not _is_name(table):
            raise wrong_choice(call, "a table is a name, or a schema, a dot and a name")
        predicate = _predicate(table, _compiled(call, sql))
        return PostgresDeclaration(
            self._declare, listens, call, name.upper() if name else None, predicate
        )


def _compiled(call: str, sql: str | re.Pattern[str] | None) -> re.Pattern[str] | None:
    if sql is None:
        return None
    try:
        pattern = re.compile(sql, re.IGNORECASE | re.DOTALL) if isinstance(sql, str) else sql
    except re.error as error:
        raise wrong_choice(call, f"sql is no regular expression: {error}") from error
    if not _is_pattern_of_text(pattern):
        raise wrong_choice(call, "sql is a regular expression of text, not of bytes")
    return pattern


def _predicate(
    table: str | None, sql: re.Pattern[str] | None
) -> Callable[[Statement], bool] | None:
    if table is None and sql is None:
        return None
    named = table_pattern(table) if table is not None else None

    def matches(found: Statement) -> bool:
        if named is not None and named.search(found.words) is None:
            return False
        return sql is None or sql.search(found.sql) is not None

    return matches


def _matches(form: re.Pattern[str], text: object) -> bool:
    return isinstance(text, str) and form.fullmatch(text) is not None


def _is_name(table: object) -> bool:
    return isinstance(table, str) and all(part.strip('" ') for part in table.split("."))


def _is_pattern_of_text(sql: object) -> bool:
    return isinstance(sql, re.Pattern) and isinstance(sql.pattern, str)
