"""``reset``: real commits, undone exactly, by the journal that the template carries."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final, NoReturn

import psycopg
from psycopg import sql

from testkit.core.messages import TestkitError
from testkit.isolation.crash import refuse_crash
from testkit.isolation.patience import PATIENCE
from testkit.isolation.sessions import (
    ADVISORY_LOCK_HOLDERS,
    Connection,
    describe_sessions,
    end_sessions,
    forgotten,
    let_go,
    roll_back_prepared,
    set_up,
)
from testkit.isolation.standing import Held, Standing, fixture_is_in_the_way, forget_ddl
from testkit.isolation.template import journal_of, track
from testkit.isolation.vacuum import Vacuum

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime

    from testkit.servers.postgres import PostgresServer

__all__ = ["DatabaseReset"]

_LOOK: Final = """
SELECT clock_timestamp(), EXISTS (
    SELECT FROM pg_testkit.sequence_mark JOIN pg_class c ON c.oid = rel
    WHERE c.relpersistence = 'u')
"""

_UNDO: Final = """
SELECT open, prepared, blocked_by, tables, wal, locked FROM pg_testkit.undo('{0}', %s, %s)
"""
_UNDO_OWNER: Final = """
SELECT open, prepared, blocked_by, tables, wal, locked FROM pg_testkit.undo_owner(%s, %s)
"""
_OPEN: Final = "SELECT open FROM pg_testkit.unfinished(%s)"
_POSTPONE: Final = "SELECT pg_testkit.postpone(%s)"

# Over a value, a table of another shape, a table that is not there.
_UNFIT: Final = (psycopg.IntegrityError, psycopg.DataError, psycopg.ProgrammingError)

Cursor = psycopg.Cursor[tuple[Any, ...]]


class DatabaseReset:
    """Puts one worker's database back.

    Changes belong to an owner: a wider-scoped fixture that claimed them, or the running test.
    ``replaced`` is called when the database was made anew: connections to it are dead then.
    ``others`` answers the pids of connections that are not the test's to close, ``origin`` where
    one was checked out.
    ``make`` replaces a database by a copy of the template. Not safe to call from two threads.
    """

    def __init__(
        self,
        server: PostgresServer,
        database: str,
        *,
        replaced: Callable[[], None],
        others: Callable[[], Collection[int]] = frozenset,
        origin: Callable[[int], str] = lambda _pid: "",
        make: Callable[[str], None] | None = None,
    ) -> None:
        self._server, self._database, self._replaced = server, database, replaced
        self._others, self._origin = others, origin
        self._make = make or server.create_database
        self._held: dict[int, Held] = {}
        self._position: str | None = None
        self._before: str | None = None
        self._outlived: Standing | None = None  # a crash, which the journal does not
        self._connection = self._connect()
        self._journal = journal_of(self._connection)
        self._vacuum = Vacuum(self._journal.schema)
        #: Transactions that began after it, and may still commit, are the running test's.
        self.began: datetime | None = None
        #: Whether the last reset saw an advisory lock of another session.
        self.locked = False
        self.undid = False  # rows, the last time
        self.waits = False  # what was to be ended the last time, for a database made anew
        self._silent = False  # a sequence may move without a trace in the WAL
        self._look()

    def snapshot(self) -> str:
        """Return what is committed now, for a later ``claim``."""
        # What was done before is the running test's, DDL too.
        self._execute("SELECT pg_testkit.look_for_ddl()")
        return str(self.ask("SELECT pg_current_snapshot()::text")[0][0])

    def claim(self, owner: int, *, since: str | None, who: str) -> None:
        """Give everything committed after ``since`` to a fixture: it stays until ``end``.

        None: everything so far. Later owners have greater numbers; the last may claim again.
        """
        row = self._execute(
            "SELECT changed, ddl, moment FROM pg_testkit.claim(%s, %s::pg_snapshot)",
            (owner, since),
        ).fetchone()
        assert row is not None
        changed, ddl, self.began = row
        self._position = None
        if changed:
            self._held[owner] = Held(who, ddl or [])
        if ddl:
            track(self._connection, self._journal)
            self._execute("SELECT pg_testkit.claim_sequences(%s)", (owner,))
            self._look()

    def finish(
        self,
        who: str,
        *,
        patience: float = PATIENCE,
        held: Collection[int] = (),
        release: Callable[[Collection[int]], Collection[int]] = lambda held: held,
    ) -> None:
        """Undo what the test ``who`` committed.

        A transaction that began after the last ``claim`` gets ``patience`` seconds to end, where it
        has written or its session is as young; one on which somebody is at work is left alone after
        0.2. Raises TK302 where one had to be ended, and for the backends ``held`` that the test did
        not return to their pool, of which those are ended that ``release`` answers: the database is
        as it was all the same. Raises TK301 where DDL of the test cannot be undone.
        """
        self._recover((0,), who)
        self._undo(
            _UNDO,
            self._position,
            owners=(0,),
            who=who,
            patience=patience,
            blockers=let_go(self._connection, held, release, self._origin) if held else {},
        )

    def begin_clone(self) -> None:
        """Note how far the server has been written, for ``exchange``."""
        self._before = self._written_to()

    def exchange(
        self,
        who: str,
        *,
        patience: float = PATIENCE,
        held: Collection[int] = (),
        release: Callable[[Collection[int]], Collection[int]] = lambda held: held,
    ) -> None:
        """Throw the database away and put a copy of the template in its place.

        The rows of the fixtures that stand are in it; every session is ended, whatever it did.
        Nothing is exchanged where nothing was written on the server since ``begin_clone``. Raises
        TK302 as ``finish`` does, and TK341 where a fixture that stands has changed the schema: then
        the journal undoes.
        """
        before, self._before = self._before, None
        # Before anything is asked that writes itself.
        untouched = before is not None and not self._silent and before == self._written_to()
        holder = self._changed_schema()
        if untouched or holder or self._outlived is not None:
            self.finish(who, patience=patience, held=held, release=release)
            if not holder or untouched:
                return
            raise TestkitError("TK341", who=who, holder=holder, database=self._database)
        blockers = self._left_in_use(held, patience)
        release(held)
        self._make_anew((0,), who)
        if blockers:
            self._left_open(patience, blockers)

    def _left_in_use(self, held: Collection[int], patience: float) -> dict[int, str]:
        """Describe the backends ``held``, and those that the test left in a transaction."""
        (found,) = self._execute(_OPEN, (self.began,)).fetchall()[0]
        left = set(found or ()) - set(self._others())
        idle = forgotten(self._connection, left, patience) if left else []
        named = {*held, *idle}
        return describe_sessions(self._connection, named, self._origin) if named else {}

    def _written_to(self) -> str:
        return str(self.ask("SELECT pg_current_wal_insert_lsn()")[0][0])

    def end(self, *owners: int, may_wait: bool = False) -> None:
        """Undo what these had claimed, the last first, and what a teardown did.

        With ``may_wait`` nothing is undone where the database would have to be made anew:
        ``waits`` says so, and the owner is to be ended again. Raises as ``finish``.
        """
        self.waits = False
        # Without rows of its own it may still have moved a sequence.
        nothing = Held("a fixture's teardown", [])
        ending = [(owner, self._held.pop(owner, nothing)) for owner in owners]
        self._recover((0, *owners), ending[0][1].who)
        for place, (owner, held) in enumerate(ending):
            self._undo(_UNDO_OWNER, owner, owners=owners[place:], who=held.who, may_wait=may_wait)
            if self.waits:
                self._held[owner] = held

    def end_lock_holders(self, idle: Callable[[Collection[int]], list[int]]) -> None:
        """End sessions of this database that hold an advisory lock and that ``idle`` picks.

        Those that nobody picks but that were opened after the last ``claim`` are ended too, and
        raised as TK302. Sessions of a role that this one may not end are left alone.
        """
        holders: dict[int, bool] = dict(
            self._execute(ADVISORY_LOCK_HOLDERS, (self.began,)).fetchall()
        )
        if not holders:
            return
        picked = idle(list(holders))
        left = [pid for pid, new in holders.items() if new and pid not in picked]
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
            if picked:
                end_sessions(self._connection, picked)
            if left and (blockers := end_sessions(self._connection, left, self._origin)):
                self._left_open(0, blockers)

    def ask(self, query: sql.Composable | str) -> list[tuple[Any, ...]]:
        """Send a query, as text, or a statement once; answer its rows."""
        if isinstance(query, str):
            return self._execute(query).fetchall()
        cursor = self._connection.execute(query.as_bytes(self._connection))
        return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        """Close testkit's own connection."""
        self._connection.close()

    def before_crash(self, asked: str, *, mode: str) -> None:
        """Remember what fixtures and snapshots hold. Raises TK642 where that is not enough.

        Whatever is undone next, the database is made anew.
        """
        holder = self._changed_schema()
        refuse_crash(self._execute, asked, mode=mode, holder=holder, database=self._database)
        before = self._outlived or Standing({}, [])  # of a crash in the same test
        self._outlived = before.and_then(Standing.of(self._execute, without=()))

    def after_crash(self) -> None:
        """Connect to the server that was started again."""
        self._connection.close()
        self._connection = self._connect()

    def _recover(self, owners: Sequence[int], who: str) -> None:
        if self._outlived is not None:
            self._make_anew(owners, who)

    def _undo(
        self,
        query: str,
        argument: object,
        *,
        owners: Sequence[int],
        who: str,
        blockers: dict[int, str] | None = None,
        patience: float = PATIENCE,
        may_wait: bool = False,
    ) -> None:
        blockers, self.locked = blockers or {}, False
        since, waiting = self.began, [owners[0], 0]
        while True:
            row = self._attempt(query, (argument, since), waiting, blockers)
            if row is None:
                continue
            open_sessions, prepared, blocked_by, tables, position, locked = row
            self.locked |= bool(locked)
            self._position = None if self._silent else position
            for gid in prepared or ():
                roll_back_prepared(self._connection, gid)
            if open_sessions is None:
                if prepared is None:
                    break
                continue
            left = set(open_sessions) - set(self._others())
            idle = forgotten(self._connection, left, patience)
            if idle:
                blockers |= end_sessions(self._connection, idle, self._origin)
            since = None  # the others are somebody's work
        self.waits = bool(blocked_by) and may_wait
        if blocked_by and not self.waits:
            self._replace(owners, who, blocked_by)
        self.undid = bool(tables)
        if tables:
            self._vacuum.after(self._connection, tables)
        if blockers:
            self._left_open(patience, blockers)

    def _left_open(self, seconds: float, blockers: dict[int, str]) -> NoReturn:
        lines = "\n".join(blockers.values())
        raise TestkitError("TK302", seconds=seconds, database=self._database, blockers=lines)

    def _attempt(
        self,
        query: str,
        arguments: tuple[object, ...],
        waiting: list[int],
        blockers: dict[int, str],
    ) -> tuple[Any, ...] | None:
        """Answer the row, or None where something was in the way that has been cleared.

        ``waiting`` are the owners whose rows may still be postponed.
        """
        try:
            return self._execute(query, arguments).fetchone()
        except psycopg.errors.LockNotAvailable:
            ended = end_sessions(self._connection, None, self._origin)
            if not ended:
                raise
            blockers |= ended
            return None
        except psycopg.OperationalError:
            raise
        except psycopg.DatabaseError as error:
            # A fixture that still stands has taken a value over which these rows had.
            if (
                isinstance(error, psycopg.IntegrityError)
                and fixture_is_in_the_way(error, self._journal, self._execute)
                and waiting
            ):
                owner = waiting.pop(0)
                if self._execute(_POSTPONE, (owner,)).fetchone() == (True,):
                    return None
            # Rows that others refer to and that want to change places, a row that a check would not
            # let in today, a key that takes others along.
            return None, None, [str(error.diag.message_primary)], None, None, None

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

    def _replace(self, owners: Sequence[int], who: str, commands: list[str]) -> None:
        """Make the database anew from the template, with the rows of the fixtures that stand."""
        if holder := self._changed_schema():
            forget_ddl(self._execute, [0, *owners])
            track(self._connection, self._journal)
            self._execute("SELECT pg_testkit.settle_sequences()")
            raise TestkitError(
                "TK301",
                who=who,
                commands=", ".join(commands),
                holder=holder,
                database=self._database,
            )
        self._make_anew(owners, who)

    def _changed_schema(self) -> str:
        """Return the fixtures that stand and have run DDL; no database made anew would have it."""
        return " and ".join(held.who for held in self._held.values() if held.ddl)

    def _make_anew(self, owners: Sequence[int], who: str) -> None:
        for owner in filter(None, owners):
            self._execute("SELECT pg_testkit.release(%s)", (owner,))
            # None before it is to hand on to lines that go, perhaps of another shape.
            self._execute("DELETE FROM pg_testkit.journal WHERE owner = %s", (owner,))
        outlived = (self._outlived or Standing({}, [])).without(owners)
        self._outlived = None
        standing = outlived.and_then(Standing.of(self._execute, without=owners))
        self._connection.close()
        self._make(self._database)
        self._connection = self._connect()
        self._position = None
        self._replaced()
        try:
            standing.put_in_again(self._connection, self._journal)
        except _UNFIT as error:
            raise TestkitError(
                "TK309",
                who=who,
                holder=" and ".join(held.who for held in self._held.values()),
                reason=error.diag.message_primary,
                database=self._database,
            ) from error

    def _connect(self) -> Connection:
        connection = self._server.connect(self._database)
        set_up(connection, self._database, superuser=journal_of(connection).superuser)
        return connection
