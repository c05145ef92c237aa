"""``reset``: real commits, undone exactly, by the journal that the template carries."""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from testkit.core.messages import TestkitError
from testkit.isolation.journal import (
    SEQUENCES_QUERY,
    TABLES_QUERY,
    SequenceName,
    TableFacts,
    install_script,
    track_script,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime

    from testkit.servers.postgres import PostgresServer

__all__ = ["BEFORE_TESTS", "DatabaseReset", "JournalTemplate"]

BEFORE_TESTS: Final = -1
_LOCK_SECONDS: Final = 2.0
_PAUSE: Final = 0.005  # seconds between two looks at a transaction that has not ended
_AT_WORK_SECONDS: Final = 0.25  # that a transaction gets in which something goes on
_VACUUM_EVERY: Final = 200  # resets; keeps the tables from bloating (reset at 0.33 ms for ever)

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

_LOOK: Final = """
SELECT clock_timestamp(), EXISTS (
    SELECT FROM pg_testkit.sequence_mark JOIN pg_class c ON c.oid = rel
    WHERE c.relpersistence = 'u')
"""

_POSTPONE: Final = "SELECT pg_testkit.postpone(%s)"

type_connection = psycopg.Connection[tuple[Any, ...]]
Cursor = psycopg.Cursor[tuple[Any, ...]]


class JournalTemplate:
    """Installs the journal into a template; its SQL is part of the template's key."""

    def __init__(self) -> None:
        # What is installed depends on tables and server; what generates it decides all of that.
        package = files(__package__)
        self.text = "".join(
            package.joinpath(name).read_text("utf-8") for name in ("journal.py", "journal.sql")
        )

    def install(self, connection: type_connection) -> None:
        """Create the journal and put every table under watch. Needs a superuser."""
        connection.execute("SET session_replication_role = replica")
        connection.execute(install_script(connection.info.server_version).encode())
        _track(connection)


@dataclass(slots=True)
class _Held:
    """A wider-scoped fixture whose changes stand: what it is, and the DDL that it ran."""

    who: str
    ddl: list[str]


class _Doing(NamedTuple):
    """What a session does: its transaction's start, when it last began or ended a statement."""

    transaction: datetime
    changed: datetime
    active: bool


class DatabaseReset:
    """Puts one worker's database back.

    Changes belong to an owner: a wider-scoped fixture that claimed them, or the running test.
    ``replaced`` is called when the database was made anew: every connection to it is dead then.
    ``suspended`` answers the backend pids of connections that cannot go on while a reset runs.
    Not safe to call from two threads.
    """

    def __init__(
        self,
        server: PostgresServer,
        database: str,
        *,
        replaced: Callable[[], None],
        suspended: Callable[[], Collection[int]] = frozenset,
    ) -> None:
        self._server, self._database, self._replaced = server, database, replaced
        self._suspended = suspended
        self._held: dict[int, _Held] = {}
        self._position: str | None = None
        self._resets = 0
        self._written: set[int] = set()
        self._connection = self._connect()
        self._since: datetime | None = None
        self._silent = False  # a sequence may move without a trace in the WAL
        self._look()

    def snapshot(self) -> str:
        """Return what is committed now, for a later ``claim``."""
        row = self._execute("SELECT pg_current_snapshot()::text").fetchone()
        assert row is not None
        return str(row[0])

    def claim(self, owner: int, *, since: str | None, who: str) -> None:
        """Give everything committed after ``since`` to a fixture: it stays until ``end``.

        None: everything committed so far. Owners that are set up later have greater numbers.
        """
        row = self._execute(
            "SELECT changed, ddl, moment FROM pg_testkit.claim(%s, %s::pg_snapshot)",
            (owner, since),
        ).fetchone()
        assert row is not None
        changed, ddl, self._since = row
        self._position = None
        if changed:
            self._held[owner] = _Held(who, ddl or [])
        if ddl:
            _track(self._connection)
            self._execute("SELECT pg_testkit.claim_sequences(%s)", (owner,))
            self._look()

    def finish(self, who: str, *, patience: float = _LOCK_SECONDS) -> None:
        """Undo what the test ``who`` committed.

        A transaction that began after the last ``claim`` and has written gets ``patience`` seconds
        to end; one on which somebody is at work gets less, and is left alone. Raises TK302 where
        one had to be ended: the database is as it was all the same. Raises TK301 where DDL of the
        test cannot be undone.
        """
        self._undo(
            "SELECT open, blocked_by, tables, wal FROM pg_testkit.undo('{0}', %s, %s)",
            self._position,
            owner=0,
            who=who,
            patience=patience,
        )

    def end(self, owner: int) -> None:
        """Undo what a fixture had claimed, and what its teardown did. Raises as ``finish``."""
        # Without rows of its own it may still have moved a sequence.
        held = self._held.pop(owner, _Held("a fixture's teardown", []))
        self._undo(
            "SELECT open, blocked_by, tables, wal FROM pg_testkit.undo_owner(%s, %s)",
            owner,
            owner=owner,
            who=held.who,
        )

    def close(self) -> None:
        """Close testkit's own connection."""
        self._connection.close()

    def _undo(
        self,
        query: str,
        argument: object,
        *,
        owner: int,
        who: str,
        patience: float = _LOCK_SECONDS,
    ) -> None:
        blockers: list[str] = []
        since, waiting = self._since, [owner, 0]
        while True:
            row = self._attempt(query, (argument, since), waiting, blockers)
            if row is None:
                continue
            open_sessions, blocked_by, tables, position = row
            self._position = None if self._silent else position
            if open_sessions is None:
                break
            forgotten = self._forgotten(set(open_sessions) - set(self._suspended()), patience)
            if forgotten:
                blockers += self._end_sessions(forgotten)
            since = None  # the others are somebody's work
        if blocked_by:
            self._replace(owner, who, blocked_by)
        if tables:
            self._vacuum(tables)
        if blockers:
            raise TestkitError(
                "TK302",
                seconds=patience,
                database=self._database,
                blockers="\n".join(blockers),
            )

    def _attempt(
        self,
        query: str,
        arguments: tuple[object, ...],
        waiting: list[int],
        blockers: list[str],
    ) -> tuple[Any, ...] | None:
        """Answer the row, or None where something was in the way that has been cleared.

        ``waiting`` are the owners whose rows may still be postponed.
        """
        try:
            return self._execute(query, arguments).fetchone()
        except psycopg.IntegrityError:
            # A fixture that still stands has taken a value over which these rows had.
            if not waiting or self._execute(_POSTPONE, (waiting.pop(0),)).fetchone() != (True,):
                raise
        except psycopg.errors.LockNotAvailable:
            ended = self._end_sessions(None)
            if not ended:
                raise
            blockers += ended
        return None

    def _look(self) -> None:
        """Note the server's time and whether the database has an unlogged sequence."""
        self._since, self._silent = self._execute(_LOOK).fetchall()[0]

    def _execute(self, query: str, arguments: tuple[object, ...] = ()) -> Cursor:
        try:
            return self._connection.execute(query.encode(), arguments, prepare=True)
        except psycopg.OperationalError:
            # A test may end every session of its database, ours among them.
            if not self._connection.closed:
                raise
            self._connection = self._connect()
            return self._connection.execute(query.encode(), arguments, prepare=True)

    def _forgotten(self, pids: Collection[int], patience: float) -> list[int]:
        """Wait for these sessions to end their transactions; answer those that did nothing."""
        began = time.monotonic()
        first = waiting = self._doing(pids)
        idle = set(first)
        while waiting:
            waited = time.monotonic() - began
            if waited > patience or (waited > _AT_WORK_SECONDS and not idle & waiting.keys()):
                break
            time.sleep(_PAUSE)
            now = self._doing(waiting)
            # Another transaction of the same session is not the one that was open.
            waiting = {p: n for p, n in now.items() if n.transaction == first[p].transaction}
            idle = {pid for pid in idle if now.get(pid) == first[pid]}
        return [pid for pid in waiting if pid in idle and not first[pid].active]

    def _doing(self, pids: Collection[int]) -> dict[int, _Doing]:
        rows = self._connection.execute(
            "SELECT pid, xact_start, state_change, state = 'active' FROM pg_stat_activity"
            " WHERE pid = ANY (%s) AND xact_start IS NOT NULL",
            (list(pids),),
        ).fetchall()
        return {pid: _Doing(*facts) for pid, *facts in rows}

    def _end_sessions(self, pids: list[int] | None) -> list[str]:
        """End these sessions of the database, wait until they are gone, and describe them."""
        rows = self._connection.execute(_END_SESSIONS, {"pids": pids}).fetchall()
        return [
            f"  pid {pid} {name!r}, {state}, last statement: {query}"
            for pid, name, state, query, _ in rows
        ]

    def _replace(self, owner: int, who: str, commands: list[str]) -> None:
        """Make the database anew from the template, with the rows of the fixtures that stand."""
        holders = [held.who for held in self._held.values() if held.ddl]
        if holders:
            self._forget_ddl(owner)
            raise TestkitError(
                "TK301",
                who=who,
                commands=", ".join(commands),
                holder=" and ".join(holders),
                database=self._database,
            )
        with self._connection.cursor() as cursor:
            kept = cursor.execute(
                "SELECT rel, owner, sign, image, xid FROM pg_testkit.journal"
                " WHERE owner <> ALL (ARRAY[0, %s]) ORDER BY line",
                (owner,),
            ).fetchall()
            marks = cursor.execute("SELECT * FROM pg_testkit.sequence_mark").fetchall()
            before = cursor.execute("SELECT * FROM pg_testkit.sequence_before").fetchall()
        self._connection.close()
        self._server.create_database(self._database)
        self._connection = self._connect()
        self._replaced()
        with self._connection.transaction(), self._connection.cursor() as cursor:
            for table, rows in (
                ("journal (rel, owner, sign, image, xid)", kept),
                ("sequence_before", before),
            ):
                with cursor.copy(f"COPY pg_testkit.{table} FROM STDIN".encode()) as copy:
                    for row in rows:
                        copy.write_row(row)
            cursor.execute(
                "SELECT pg_testkit.apply((SELECT array_agg(DISTINCT owner)"
                " FROM pg_testkit.journal), -1)"
            )
            cursor.executemany(
                "UPDATE pg_testkit.sequence_mark SET last_value = %s, is_called = %s"
                " WHERE rel = %s",
                [(last, called, rel) for rel, last, called in marks],
            )
            cursor.execute("SELECT pg_testkit.settle_sequences()")

    def _forget_ddl(self, owner: int) -> None:
        self._connection.execute(
            "DELETE FROM pg_testkit.journal WHERE owner = ANY (ARRAY[0, %s]) AND rel = 0", (owner,)
        )
        try:
            self._connection.execute("SELECT pg_testkit.undo(ARRAY[0, %s], NULL, NULL)", (owner,))
        except psycopg.Error:
            # Its rows went with a dropped table or column; the test is an error already.
            self._connection.execute(
                "DELETE FROM pg_testkit.journal WHERE owner = ANY (ARRAY[0, %s])", (owner,)
            )
        _track(self._connection)

    def _vacuum(self, tables: list[int]) -> None:
        self._resets += 1
        self._written.update(tables)
        if self._resets % _VACUUM_EVERY:
            return
        names = self._connection.execute(
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n"
            " ON n.oid = c.relnamespace WHERE c.oid = ANY (%s)",
            (list(self._written),),
        ).fetchall()
        self._written.clear()
        targets = [sql.Identifier(*name) for name in (*names, ("pg_testkit", "journal"))]
        self._connection.execute(
            sql.SQL("VACUUM (TRUNCATE off, SKIP_LOCKED) {}").format(sql.SQL(", ").join(targets))
        )

    def _connect(self) -> type_connection:
        connection = self._server.connect(self._database)
        connection.execute(
            "SET session_replication_role = replica; SET testkit.quiet = 'on';"
            f"SET lock_timeout = '{_LOCK_SECONDS}s'; SET jit = off".encode()
        )
        return connection


def _track(connection: type_connection) -> None:
    with connection.cursor(row_factory=class_row(TableFacts)) as cursor:
        tables = cursor.execute(TABLES_QUERY).fetchall()
    with connection.cursor(row_factory=class_row(SequenceName)) as cursor:
        sequences = cursor.execute(SEQUENCES_QUERY).fetchall()
    script = track_script(tables, sequences, server_version=connection.info.server_version)
    connection.execute(script.encode())
