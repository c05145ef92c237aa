"""What each mode of isolation holds, as data: the contract is checked against it, the docs show it.

``python -m tests.contracts.isolation_table`` prints the table of the docs.
"""

from __future__ import annotations

import sys
from typing import Final

__all__ = ["COLUMNS", "HOLDS", "column", "table"]

#: A mode, and for ``rollback`` whether the driver can join the test's transaction.
COLUMNS: Final = ("reset", "rollback", "rollback, asyncpg", "clone", "none")

_ALL: Final = frozenset(COLUMNS)
_COMMITS: Final = _ALL - {"rollback"}
_UNDOES: Final = _ALL - {"none"}

#: Each promise: its words, and the columns in which it holds.
HOLDS: Final[dict[str, tuple[str, frozenset[str]]]] = {
    "seen_by_others": ("a commit is seen by the engine's other connections", _ALL),
    "seen_by_other_drivers": ("… by an engine on psycopg, sync or async", _ALL),
    "seen_by_other_processes": ("… by other processes and connections of a driver alone", _COMMITS),
    "not_seen_before_the_commit": ("what is not committed is not seen", _COMMITS),
    "hooks_behind_a_commit": ("hooks behind a commit fire", _ALL),
    "deferred_constraints_at_a_commit": ("a commit fails by a deferred constraint", _ALL),
    "a_failed_statement_ends_its_own_transaction": (
        "a statement that fails ends its own transaction only",
        _ALL,
    ),
    "a_rollback_leaves_what_others_committed_since": (
        "a rollback leaves what others wrote and committed since",
        _COMMITS,
    ),
    "tasks_at_the_same_time": ("tasks at the same time have transactions of their own", _ALL),
    "locks_between_transactions": ("a lock of one transaction keeps the others out", _COMMITS),
    "isolation_levels": ("isolation levels are in force", _COMMITS),
    "notifications": ("`NOTIFY` is delivered", _COMMITS),
    "time_goes_on": ("`now()` moves from one transaction to the next", _COMMITS),
    "what_must_be_outside_of_a_transaction": ("`VACUUM` and its like run", _COMMITS),
    "snapshots": ("`database.snapshot()` and `restore()`", frozenset({"reset", "clone", "none"})),
    "rows": ("rows are undone", _UNDOES),
    "rows_of_the_baseline": ("rows that were there before are as they were", _UNDOES),
    "rows_of_other_processes": ("what other processes committed is undone", _UNDOES),
    "sequences": ("sequences are put back", _UNDOES),
    "the_schema": ("changes of the schema are undone", _UNDOES),
    "materialized_views": ("materialized views are as they were", _UNDOES),
    "large_objects": ("large objects are undone", _UNDOES),
    "settings_of_a_session": ("settings of a pooled connection are put back", _ALL),
    "rows_of_a_wider_fixture_stay": ("rows of a fixture wider than the test stay", _ALL),
    "an_open_transaction_is_an_error_of_its_test": (
        "a transaction left open is an error of its test",
        _UNDOES,
    ),
}


def column(mode: str, driver: str) -> str:
    """Return the column of a mode and a driver."""
    return "rollback, asyncpg" if (mode, driver) == ("rollback", "asyncpg") else mode


def table() -> str:
    """Return the table of the docs."""
    heads = ["", *(f"`{name}`" if "," not in name else "`rollback`, asyncpg" for name in COLUMNS)]
    lines = [f"| {' | '.join(heads)} |".replace("|  |", "| |"), "|---" * len(heads) + "|"]
    for words, holds in HOLDS.values():
        cells = ["yes" if name in holds else "no" for name in COLUMNS]
        lines.append(f"| {words} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(f"{table()}\n")
