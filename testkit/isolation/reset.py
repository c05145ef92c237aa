"""``reset``: real commits, undone exactly, by the journal that the template carries."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, TypeVar

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from testkit.core.messages import TestkitError
from testkit.isolation.journal import FILES, Journal
from testkit.isolation.sessions import ADVISORY_LOCK_HOLDERS, end_sessions, forgotten
from testkit.isolation.tables import (
    SEQUENCES_QUERY,
    TABLES_QUERY,
    VIEWS_QUERY,
    SequenceName,
    TableFacts,
    ViewName,
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

_LOOK: Final = """
SELECT clock_timestamp(), EXISTS (
    SELECT FROM pg_testkit.sequence_mark JOIN pg_class c ON c.oid = rel
    WHERE c.relpersistence = 'u')
"""

_POSTPONE: Final = "SELECT pg_testkit.postpone(%s)"

_STANDING_LINES: Final = """
SELECT rel, owner, sign, image, xid FROM pg_testkit.journal
WHERE owner <> ALL (ARRAY[0, %s]) ORDER BY line
"""
_MOVED_SEQUENCES: Final = "SELECT * FROM pg_testkit.sequence_before"
_MARKS: Final = "SELECT rel, last_value, is_called FROM pg_testkit.sequence_mark"
_MARK: Final = "UPDATE pg_testkit.sequence_mark SET last_value = %s, is_called = %s WHERE rel = %s"
_APPLY_AGAIN: Final = """
SELECT pg_testkit.apply((SELECT array_agg(DISTINCT owner) FROM pg_testkit.journal), -1)
"""

_FIXTURE_WROTE_TO: Final = """
SELECT EXISTS (SELECT FROM pg_testkit.journal j
               JOIN pg_class c ON j.rel = coalesce(pg_partition_root(c.oid)::oid, c.oid)
               JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE j.owner > 0 AND n.nspname = %s::text AND c.relname = %s::text)
"""

type_connection = psycopg.Connection[tuple[Any, ...]]
Cursor = psycopg.Cursor[tuple[Any, ...]]
Facts = TypeVar("Facts")


class JournalTemplate:
    """Installs the journal into a template; its SQL is part of the template's key."""

    def __init__(self) -> None:
        # What is installed depends on tables and server; what generates it decides all of that.
        package = files(__package__)
        self.text = "".join(package.joinpath(name).read_text("utf-8") for name in FILES)

    def install(self, connection: type_connection) -> None:
        """Create the journal and put every table under watch.

        Raises TK112 where the role is no superuser and does not own what there is.
        """
        journal = _journal(connection)
        if journal.superuser:
            connection.execute("SET session_replication_role = replica")
        try:
            connection.execute(journal.install_script().encode())
            _track(connection, journal)
        except psycopg.errors.InsufficientPrivilege as error:
            raise TestkitError(
                "TK112", role=connection.info.user, reason=error.diag.message_primary
            ) from error


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
        self._journal = _journal(self._connection)
        self._since: datetime | None = None
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
        changed, ddl, self._since = row
        self._position = None
        if changed:
            self._held[owner] = _Held(who, ddl or [])
        if ddl:
            _track(self._connection, self._journal)
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

    def end_lock_holders(self, idle: Callable[[Collection[int]], list[int]]) -> None:
        """End sessions of this database that hold an advisory lock and that ``idle`` picks.

        Sessions of a role that this one may not end are left alone.
        """
        holders = self._execute(ADVISORY_LOCK_HOLDERS).fetchall()
        if holders and (picked := idle([pid for (pid,) in holders])):
            with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
                end_sessions(self._connection, picked)

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
        except psycopg.IntegrityError as error:
            # A fixture that still stands has taken a value over which these rows had.
            if self._fixture_is_in_the_way(error) and waiting:
                owner = waiting.pop(0)
                if self._execute(_POSTPONE, (owner,)).fetchone() == (True,):
                    return None
            if self._journal.superuser:
                raise
            # Rows that others refer to are changed one by one, and two of them may want to change
            # places.
            return None, [str(error.diag.message_primary)], None, None
        except psycopg.errors.LockNotAvailable:
            ended = end_sessions(self._connection, None)
            if not ended:
                raise
            blockers += ended
        return None

    def _fixture_is_in_the_way(self, error: psycopg.Error) -> bool:
        if self._journal.superuser:
            return True  # nobody else can be
        table = (error.diag.schema_name, error.diag.table_name)
        return self._execute(_FIXTURE_WROTE_TO, table).fetchone() == (True,)

    def _look(self) -> None:
        """Note the server's time and whether the database has an unlogged sequence."""
        self._since, self._silent = self._execute(_LOOK).fetchall()[0]

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
        journal = "pg_testkit.journal (rel, owner, sign, image, xid)"
        kept = {
            journal: self._execute(_STANDING_LINES, (owner,)).fetchall(),
            "pg_testkit.sequence_before": self._execute(_MOVED_SEQUENCES).fetchall(),
        }
        marks = self._execute(_MARKS).fetchall()
        self._connection.close()
        self._server.create_database(self._database)
        self._connection = self._connect()
        self._replaced()
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
            cursor.execute(self._sql("SELECT pg_testkit.settle_sequences()"))

    def _forget_ddl(self, owner: int) -> None:
        forget = "DELETE FROM pg_testkit.journal WHERE owner = ANY (ARRAY[0, %s])"
        self._execute(f"{forget} AND rel = 0", (owner,))
        try:
            self._execute("SELECT pg_testkit.undo(ARRAY[0, %s], NULL, NULL)", (owner,))
        except psycopg.Error:
            # Its rows went with a dropped table or column; the test is an error already.
            self._execute(forget, (owner,))
        _track(self._connection, self._journal)

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

    def _connect(self) -> type_connection:
        connection = self._server.connect(self._database)
        role = "SET session_replication_role = replica;" if _is_superuser(connection) else ""
        connection.execute(
            f"{role} SET testkit.quiet = 'on';"
            f"SET lock_timeout = '{_LOCK_SECONDS}s'; SET jit = off".encode()
        )
        return connection


def _is_superuser(connection: type_connection) -> bool:
    return connection.info.parameter_status("is_superuser") == "on"


def _journal(connection: type_connection) -> Journal:
    return Journal(_is_superuser(connection), connection.info.server_version)


def _track(connection: type_connection, journal: Journal) -> None:
    script = journal.track_script(
        _rows(connection, TableFacts, journal.sql(TABLES_QUERY)),
        _rows(connection, SequenceName, journal.sql(SEQUENCES_QUERY)),
        _rows(connection, ViewName, journal.sql(VIEWS_QUERY)),
    )
    connection.execute(script.encode())


def _rows(connection: type_connection, kind: type[Facts], query: str) -> list[Facts]:
    with connection.cursor(row_factory=class_row(kind)) as cursor:
        return cursor.execute(query.encode()).fetchall()
