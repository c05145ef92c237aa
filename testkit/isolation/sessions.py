"""Other sessions of a test's database: which hold it up, and their end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

__all__ = [
    "ADVISORY_LOCK_HOLDERS",
    "LOCK_SECONDS",
    "Connection",
    "end_sessions",
    "forgotten",
]

#: Longest wait for a lock, of the reset and in a test's database.
LOCK_SECONDS: Final = 2.0

_PAUSE: Final = 0.005  # seconds between two looks at a transaction that has not ended
_AT_WORK_SECONDS: Final = 0.25  # that a transaction gets in which something goes on

# Those asked for or, with NULL, all that hold a lock. Readers hold an AccessShareLock, which stands
# in nobody's way.
_END_SESSIONS: Final = """
SELECT pid, application_name, state, query, pg_terminate_backend(pid, 5000)
FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
  AND (pid = ANY (%(pids)s::int[]) OR %(pids)s::int[] IS NULL AND EXISTS (
       SELECT FROM pg_locks WHERE pg_locks.pid = pg_stat_activity.pid AND granted
       AND locktype IN ('relation', 'transactionid') AND mode <> 'AccessShareLock'))
"""

ADVISORY_LOCK_HOLDERS: Final = """
SELECT DISTINCT pid FROM pg_locks WHERE locktype = 'advisory' AND granted
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND pid <> pg_backend_pid()
"""

Connection = psycopg.Connection[tuple[Any, ...]]


class _Doing(NamedTuple):
    """What a session does: its transaction's start, when it last began or ended a statement."""

    transaction: datetime
    changed: datetime
    active: bool


def forgotten(connection: Connection, pids: Collection[int], patience: float) -> list[int]:
    """Wait for these sessions to end their transactions; answer those that did nothing."""
    began = time.monotonic()
    first = waiting = _doing(connection, pids)
    idle = set(first)
    while waiting:
        waited = time.monotonic() - began
        if waited > patience or (waited > _AT_WORK_SECONDS and not idle & waiting.keys()):
            break
        time.sleep(_PAUSE)
        now = _doing(connection, waiting)
        # Another transaction of the same session is not the one that was open.
        waiting = {p: n for p, n in now.items() if n.transaction == first[p].transaction}
        idle = {pid for pid in idle if now.get(pid) == first[pid]}
    return [pid for pid in waiting if pid in idle and not first[pid].active]


def _doing(connection: Connection, pids: Collection[int]) -> dict[int, _Doing]:
    rows = connection.execute(
        "SELECT pid, xact_start, state_change, state = 'active' FROM pg_stat_activity"
        " WHERE pid = ANY (%s) AND xact_start IS NOT NULL",
        (list(pids),),
    ).fetchall()
    return {pid: _Doing(*facts) for pid, *facts in rows}


def end_sessions(connection: Connection, pids: list[int] | None) -> list[str]:
    """End these sessions of the database, wait until they are gone, and describe them."""
    rows = connection.execute(_END_SESSIONS, {"pids": pids}).fetchall()
    return [
        f"  pid {pid} {name!r}, {state}, last statement: {query}"
        for pid, name, state, query, _ in rows
    ]
