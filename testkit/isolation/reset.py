"""``reset``: real commits, undone exactly, by the journal that the template carries."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import sql

from testkit.core.messages import TestkitError
from testkit.isolation.sessions import (
    ADVISORY_LOCK_HOLDERS,
    LOCK_SECONDS,
    Connection,
    end_sessions,
    forgotten,
)
from testkit.isolation.template import journal_of, track

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime

    from testkit.servers.postgres import PostgresServer

__all__ = ["BEFORE_TESTS", "DatabaseReset"]

BEFORE_TESTS: Final = -1
_VACUUM_EVERY: Final = 200  # resets; keeps the tables from bloating (reset at 0.33 ms for ever)

# What `use_settings` sets: the text of a row reads here as the triggers wrote it.
_AS_WRITTEN: Final = (
    "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, MDY'; SET IntervalStyle = 'postgres';"
    "SET bytea_output = 'hex'; SET extra_float_digits = 1;"
)

_LOOK: Final = """
SELECT clock_timestamp(), EXISTS (
    SELECT FROM pg_testkit.sequence_mark JOIN pg_class c ON c.oid = rel
    WHERE c.relpersistence = 'u')
"""

_UNDO: Final = """
SELECT open, prepared, blocked_by, tables, wal FROM pg_testkit.undo('{0}', %s, %s)
"""
_UNDO_OWNER: Final = """
SELECT open, prepared, blocked_by, tables, wal FROM pg_testkit.undo_owner(%s, %s)
"""
_POSTPONE: Final = "SELECT pg_testkit.postpone(%s)"

_STANDING_LINES: Final = """
SELECT rel, owner, sign, image, xid FROM pg_testkit.journal
WHERE owner <> ALL (ARRAY[0, %s]) ORDER BY line
"""
_MOVED_SEQUENCES: Final = "SELECT * FROM pg_testkit.sequence_before"
_LARGE_OBJECTS: Final = """
SELECT owner, object, content, NULL FROM pg_testkit.large_object
WHERE owner <> ALL (ARRAY[-2, %s])
"""
_MARKS: Final = "SELECT rel, last_value, is_called FROM pg_testkit.sequence_mark"
_MARK: Final = "UPDATE pg_testkit.sequence_mark SET last_value = %s, is_called = %s WHERE rel = %s"
_APPLY_AGAIN: Final = """
SELECT pg_testkit.apply((SELECT array_agg(DISTINCT owner) FROM pg_testkit.journal), -1,
                        pg_current_snapshot())
"""

_FIXTURE_WROTE_TO: Final = """
SELECT EXISTS (SELECT FROM pg_testkit.journal j
               JOIN pg_class c ON j.rel = coalesce(pg_partition_root(c.oid)::oid, c.oid)
               JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE j.owner > 0 AND n.nspname = %s::text AND c.relname = %s::text)
"""

Cursor = psycopg.Cursor[tuple[Any, ...]]


@dataclass(slots=True)
class _Held:
    """A wider-scoped fixture whose changes stand: what it is, and the DDL that it ran."""

    who: str
    ddl: list[str]


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
        self._journal = journal_of(self._connection)
        #: Transactions that began after it, and may still commit, are the running test's.
        self.began: datetime | None = None
        self._silent = False  # a sequence may move without a trace in the WAL
        self._look()

    def snapshot(self) -> str:
        """Return what is committed now, for a later ``claim``."""
        # What was done before is the running test's, DDL too.
        self._execute("SELECT pg_testkit.look_for_ddl()")
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
        changed, ddl, self.began = row
        self._position = None
        if changed:
            self._held[owner] = _Held(who, ddl or [])
        if ddl:
            track(self._connection, self._journal)
            self._execute("SELECT pg_testkit.claim_sequences(%s)", (owner,))
            self._look()

    def finish(self, who: str, *, patience: float = LOCK_SECONDS) -> None:
        """Undo what the test ``who`` committed.

        A transaction that began after the last ``claim`` and has written gets ``patience`` seconds
        to end; one on which somebody is at work gets less, and is left alone. Raises TK302 where
        one had to be ended: the database is as it was all the same. Raises TK301 where DDL of the
        test cannot be undone.
        """
        self._undo(
            _UNDO,
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
            _UNDO_OWNER,
            owner,
            owner=owner,
            who=held.who,
        )

    def end_lock_holders(self, idle: Callable[[Collection[int]], list[int]]) -> None:
        """End sessions of this database that hold an advisory lock and that ``idle`` picks.

        Sessions of a role that this one may not end are left alone.
        """
        holders = self._execute(ADVISORY_LOCK_HOLDERS).fetchall()
        if holders and (picked := idle([pid for (pid,) in holders])):
            with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
                end_sessions(self._connection, picked)

    def ask(self, query: sql.Composable | str) -> list[tuple[Any, ...]]:
        """Send a query, as text, or a statement once; answer its rows."""
        if isinstance(query, str):
            return self._execute(query).fetchall()
        cursor = self._connection.execute(query.as_bytes(self._connection))
        return cursor.fetchall() if cursor.description else []

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
        patience: float = LOCK_SECONDS,
    ) -> None:
        blockers: list[str] = []
        since, waiting = self.began, [owner, 0]
        while True:
            row = self._attempt(query, (argument, since), waiting, blockers)
            if row is None:
                continue
            open_sessions, prepared, blocked_by, tables, position = row
            self._position = None if self._silent else position
            for gid in prepared or ():
                self._roll_back_prepared(gid)
            if open_sessions is None:
                if prepared is None:
                    break
                continue
            idle = forgotten(
                self._connection, set(open_sessions) - set(self._suspended()), patience
            )
            if idle:
                blockers += end_sessions(self._connection, idle)
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

    def _roll_back_prepared(self, gid: str) -> None:
        """End what the test prepared and nobody finished; somebody may do so just now."""
        with contextlib.suppress(psycopg.errors.UndefinedObject, psycopg.errors.ObjectInUse):
            self._connection.execute(sql.SQL("ROLLBACK PREPARED {}").format(gid))

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
        except psycopg.errors.LockNotAvailable:
            ended = end_sessions(self._connection, None)
            if not ended:
                raise
            blockers += ended
            return None
        except psycopg.OperationalError:
            raise
        except psycopg.DatabaseError as error:
            # A fixture that still stands has taken a value over which these rows had.
            if (
                isinstance(error, psycopg.IntegrityError)
                and self._fixture_is_in_the_way(error)
                and waiting
            ):
                owner = waiting.pop(0)
                if self._execute(_POSTPONE, (owner,)).fetchone() == (True,):
                    return None
            # Rows that others refer to and that want to change places, a row that a check would not
            # let in today, a key that takes others along.
            return None, None, [str(error.diag.message_primary)], None, None

    def _fixture_is_in_the_way(self, error: psycopg.Error) -> bool:
        if self._journal.superuser:
            return True  # nobody else can be
        table = (error.diag.schema_name, error.diag.table_name)
        return self._execute(_FIXTURE_WROTE_TO, table).fetchone() == (True,)

    def _look(self) -> None:
        """Note the server's time and whether the database has an unlogged sequence."""
        self.began, self._silent = self._execute(_LOOK).fetchall()[0]

    def _execute(self, query: str, arguments: tuple[object, ...] = ()) -> Cursor:
        statement = self._sql(query)
        try:
            return self._connection.execute(statement, arguments, prepare=True)
        except psycopg.OperationalError:
            # A test may end every session of its database, ours among them.
            if not self._connection.closed:
                raise
            self._connection = self._connect()
            return self._connection.execute(statement, arguments, prepare=True)

    def _sql(self, query: str) -> bytes:
        return self._journal.sql(query).encode()

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
        if owner:
            self._execute("SELECT pg_testkit.release(%s)", (owner,))
        journal = "pg_testkit.journal (rel, owner, sign, image, xid)"
        kept = {
            journal: self._execute(_STANDING_LINES, (owner,)).fetchall(),
            "pg_testkit.sequence_before": self._execute(_MOVED_SEQUENCES).fetchall(),
            "pg_testkit.large_object": self._execute(_LARGE_OBJECTS, (owner,)).fetchall(),
        }
        marks = self._execute(_MARKS).fetchall()
        self._connection.close()
        self._server.create_database(self._database)
        self._connection = self._connect()
        self._replaced()
        try:
            self._put_in_again(kept, marks)
        except psycopg.IntegrityError as error:
            standing = " and ".join(held.who for held in self._held.values())
            raise TestkitError(
                "TK309",
                who=who,
                holder=standing,
                reason=error.diag.message_primary,
                database=self._database,
            ) from error

    def _put_in_again(
        self, kept: dict[str, list[tuple[Any, ...]]], marks: list[tuple[Any, ...]]
    ) -> None:
        """Put what fixtures that stand hold into a database that was made anew."""
        with self._connection.transaction(), self._connection.cursor() as cursor:
            for table, rows in kept.items():
                into = self._journal.sql(f"COPY {table} FROM STDIN")
                with cursor.copy(into.encode()) as copy:
                    for row in rows:
                        copy.write_row(row)
            cursor.execute(self._sql(_APPLY_AGAIN))
            cursor.executemany(
                self._sql(_MARK), [(last, called, rel) for rel, last, called in marks]
            )
            cursor.execute(self._sql("SELECT pg_testkit.undo_large_objects('{}')"))
            cursor.execute(self._sql("SELECT pg_testkit.settle_sequences()"))

    def _forget_ddl(self, owner: int) -> None:
        forget = "DELETE FROM pg_testkit.journal WHERE owner = ANY (ARRAY[0, %s])"
        self._execute(f"{forget} AND rel = 0", (owner,))
        try:
            self._execute("SELECT pg_testkit.undo(ARRAY[0, %s], NULL, NULL)", (owner,))
        except psycopg.Error:
            # Its rows went with a dropped table or column; the test is an error already.
            self._execute(forget, (owner,))
        track(self._connection, self._journal)
        self._execute("SELECT pg_testkit.settle_sequences()")

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
        targets = [sql.Identifier(*name) for name in (*names, (self._journal.schema, "journal"))]
        self._connection.execute(
            sql.SQL("VACUUM (TRUNCATE off, SKIP_LOCKED) {}").format(sql.SQL(", ").join(targets))
        )

    def _connect(self) -> Connection:
        connection = self._server.connect(self._database)
        role = "SET session_replication_role = replica;" if journal_of(connection).superuser else ""
        connection.execute(
            f"{role} SET testkit.quiet = 'on'; {_AS_WRITTEN}"
            f"SET lock_timeout = '{LOCK_SECONDS:g}s'; SET jit = off".encode()
        )
        # No test waits for itself for ever: see lock_waits.py.
        connection.execute(
            sql.SQL("ALTER DATABASE {} SET lock_timeout = {}").format(
                sql.Identifier(self._database), f"{LOCK_SECONDS:g}s"
            )
        )
        return connection
