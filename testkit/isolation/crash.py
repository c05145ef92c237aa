"""What does not outlive the crash of a Postgres, and whether a test may bring one about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from testkit.core.messages import TestkitError

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

__all__ = ["refuse_crash"]

# The journal is one itself; an empty one loses nothing.
_UNLOGGED: Final = """
SELECT string_agg(c.oid::regclass::text, ', ' ORDER BY c.oid) FROM pg_class c
WHERE c.relpersistence = 'u' AND c.relkind IN ('r', 'm', 'S')
  AND c.relnamespace <> 'pg_testkit'::regnamespace AND pg_relation_size(c.oid) > 0
"""
_IN_ONE: Final = 'Let the test run with real commits: @pytest.mark.isolation("reset").'
_IN_TEMPLATE: Final = "Make these tables LOGGED."
_ELSEWHERE: Final = "Let the migrations make what the fixture makes."


def refuse_crash(
    execute: Callable[[str], psycopg.Cursor[tuple[Any, ...]]],
    asked: str,
    *,
    mode: str,
    holder: str,
    database: str,
) -> None:
    """Raise TK642 where a database could not be made as it was behind the test.

    ``mode`` is the test's, ``holder`` the wider-scoped fixtures that have changed the schema.
    """
    why, otherwise = "", ""
    if mode in {"rollback", "none"}:
        why, otherwise = f"its isolation is {mode!r}", _IN_ONE
    elif holder:
        why, otherwise = f"{holder} has changed the schema", _ELSEWHERE
    elif unlogged := execute(_UNLOGGED).fetchall()[0][0]:
        why, otherwise = f"unlogged tables hold rows: {unlogged}", _IN_TEMPLATE
    if why:
        raise TestkitError("TK642", asked=asked, why=why, otherwise=otherwise, database=database)
