"""Other sessions of a test's database: which hold it up, and their end."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg
from psycopg import sql

from testkit.isolation.patience import PATIENCE
from testkit.isolation.queries.normal_form import on_one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime

__all__ = [
    "ADVISORY_LOCK_HOLDERS",
    "LOCK_SECONDS",
    "Connection",
    "describe_sessions",
    "end_sessions",
    "forgotten",
    "let_go",
    "roll_back_prepared",
    "set_up",
]

#: Longest wait for a lock, of the reset and in a test's database.
LOCK_SECONDS: Final = 2.0

_PAUSE: Final = 0.005  # seconds between two looks at a transaction that has not ended
_MOST_CHARACTERS: Final = 500  # of a statement

# Those asked for or, with NULL, all that hold a lock. Readers hold an AccessShareLock, which stands
# in nobody's way.
_SESSIONS: Final = """
SELECT pid, application_name, state,
       extract(epoch FROM clock_timestamp() - coalesce(xact_start, state_change))::float8, query{}
FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
  AND (pid = ANY (%(pids)s::int[]) OR %(pids)s::int[] IS NULL AND EXISTS (
       SELECT FROM pg_locks WHERE pg_locks.pid = pg_stat_activity.pid AND granted
       AND locktype IN ('relation', 'transactionid') AND mode <> 'AccessShareLock'))
"""
_END: Final = ", pg_terminate_backend(pid, 5000)"

# With whether the session was opened after a moment, and is in no transaction.
ADVISORY_LOCK_HOLDERS: Final = """
SELECT a.pid, a.backend_start >= %s AND a.xact_start IS NULL FROM pg_stat_activity a
WHERE a.pid <> pg_backend_pid() AND a.datname = current_database() AND EXISTS (
    SELECT FROM pg_locks l WHERE l.locktype = 'advisory' AND l.granted AND l.pid = a.pid)
"""

Connection = psycopg.Connection[tuple[Any, ...]]


# What `use_settings` sets: the text of a row reads here as the triggers wrote it.
_AS_WRITTEN: Final = (
    "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, MDY'; SET IntervalStyle = 'postgres';"
    "SET bytea_output = 'hex'; SET extra_float_digits = 1;"
)


class _Doing(NamedTuple):
    """What a session does: its transaction's start, when it last began or ended a statement."""

    transaction: datetime
    changed: datetime
    active: bool


def set_up(connection: Connection, database: str, *, superuser: bool) -> None:
    """Make a session one that resets this database."""
    role = "SET session_replication_role = replica;" if superuser else ""
    timeout = f"{LOCK_SECONDS:g}s"
    connection.execute(
        f"{role} SET testkit.quiet = 'on'; {_AS_WRITTEN}"
        f"SET lock_timeout = '{timeout}'; SET jit = off".encode()
    )
    # No test waits for itself for ever: see lock_waits.py.
    set_timeout = sql.SQL("ALTER DATABASE {} SET lock_timeout = {}")
    connection.execute(set_timeout.format(sql.Identifier(database), timeout))


def forgotten(connection: Connection, pids: Collection[int], patience: float) -> list[int]:
    """Wait for these sessions to end their transactions; answer those that did nothing."""
    began = time.monotonic()
    first = waiting = _doing(connection, pids)
    idle = set(first)
    while waiting:
        waited = time.monotonic() - began
        if waited > patience or (waited > PATIENCE and not idle & waiting.keys()):
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


def let_go(
    connection: Connection,
    held: Collection[int],
    release: Callable[[Collection[int]], Collection[int]],
    origin: Callable[[int], str],
) -> dict[int, str]:
    """Describe these sessions of the database; end those that ``release`` answers."""
    described = describe_sessions(connection, held, origin)
    if still := release(held):
        end_sessions(connection, still)
    return described


def roll_back_prepared(connection: Connection, gid: str) -> None:
    """End what a test prepared and nobody finished; somebody may do so just now."""
    with contextlib.suppress(psycopg.errors.UndefinedObject, psycopg.errors.ObjectInUse):
        connection.execute(sql.SQL("ROLLBACK PREPARED {}").format(gid))


def end_sessions(
    connection: Connection,
    pids: Collection[int] | None,
    origin: Callable[[int], str] = lambda _pid: "",
) -> dict[int, str]:
    """End these sessions of the database, wait until they are gone, and describe them by pid.

    With None: all that hold a lock of rows or tables.
    """
    return _described(connection, _SESSIONS.format(_END), pids, origin)


def describe_sessions(
    connection: Connection, pids: Collection[int], origin: Callable[[int], str]
) -> dict[int, str]:
    """Describe these sessions of the database by pid; ``origin`` says where one was checked out."""
    return _described(connection, _SESSIONS.format(""), pids, origin)


def _described(
    connection: Connection,
    query: str,
    pids: Collection[int] | None,
    origin: Callable[[int], str],
) -> dict[int, str]:
    arguments = {"pids": None if pids is None else list(pids)}
    return {
        pid: f"  pid {pid} {name!r}, {state} for {seconds:.2f} s,"
        f" last statement: {on_one_line(text, _MOST_CHARACTERS)}{origin(pid)}"
        for pid, name, state, seconds, text, *_ in connection.execute(query.encode(), arguments)
    }
