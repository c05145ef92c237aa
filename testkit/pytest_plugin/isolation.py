"""What undoes the tests of one process, in its database and its Redis."""

from __future__ import annotations

import contextlib
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Final

from testkit.core.messages import TestkitError
from testkit.isolation.bill import Bill, billed
from testkit.isolation.patience import PATIENCE, SHORT_PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from testkit.core.current import Periods
    from testkit.isolation.database import Database
    from testkit.isolation.evidence import Evidence
    from testkit.isolation.keyspace import Keyspace
    from testkit.isolation.leased_keyspace import LeasedKeyspace
    from testkit.isolation.lock_waits import LockWaits
    from testkit.isolation.pools import PoolWatch
    from testkit.isolation.reset import DatabaseReset
    from testkit.isolation.rollback.mode import RollbackMode
    from testkit.isolation.server_wide import ServerWide
    from testkit.isolation.snapshots import Snapshots
    from testkit.isolation.spares import SpareDatabases
    from testkit.servers.postgres import PostgresServer
    from testkit.servers.run import Run

__all__ = ["NOTHING", "Isolation", "Written"]

# The database's snapshot, and Redis' count of writes, before a fixture.
Written = tuple[str | None, int]
NOTHING: Final[Written] = (None, 0)

_LEAKS: Final = frozenset({"TK302", "TK311"})


class Isolation:
    """Puts back what each test did to the servers that were added.

    ``is_gone`` answers whether a server of the run has ended: what fails for that reason fails
    nothing here. Without a server every method does nothing.
    """

    def __init__(self, periods: Periods, is_gone: Callable[[], bool], root: Path) -> None:
        self._periods, self._is_gone, self._root = periods, is_gone, root
        self.bill = Bill()
        self.lock_waits: LockWaits | None = None
        self._evidence: Evidence | None = None
        self._database: Database | None = None
        self._place: tuple[PostgresServer, str]  # of the database that was added
        self._reset: DatabaseReset | None = None
        self._spares: SpareDatabases | None = None
        self._server_wide: ServerWide | None = None
        self._keyspace: Keyspace | LeasedKeyspace | None = None
        self._pools: PoolWatch | None = None
        self._snapshots: Snapshots | None = None
        self._rollback: RollbackMode | None = None
        self._begun = self._replaced = False
        self._mode, self._period = "reset", periods.now
        self._owners: dict[object, int] = {}
        self._left: list[int] = []  # by tests that are not undone
        self._before_test = NOTHING
        self._numbers = count(1)  # never used twice: two owners may be alive in any order

    def add_database(
        self, database: Database, server: PostgresServer, name: str, *, alone: bool
    ) -> None:
        """Undo, from now on, what tests do to the database ``name`` of ``server``.

        ``alone``: no other process works on the server.
        """
        from testkit.isolation.evidence import Evidence
        from testkit.isolation.lock_waits import LockWaits
        from testkit.isolation.pools import PoolWatch
        from testkit.isolation.reset import DatabaseReset
        from testkit.isolation.server_wide import ServerWide
        from testkit.isolation.snapshots import Snapshots

        self._pools = PoolWatch(server.port, self._periods, self.bill, f"{self._root}/")
        self._pools.start()
        database.followed = self._pools.followed
        if not server.shared:  # where others work nothing may lie that only a thread knows
            from testkit.isolation.spares import SpareDatabases

            self._spares = SpareDatabases(server, name)
        self._reset = DatabaseReset(
            server,
            name,
            replaced=self._note_replaced,
            others=self._pools.others,
            origin=self._pools.origin,
            make=self._spares.replace if self._spares is not None else None,
        )
        self._server_wide = ServerWide(server, name, self._reset.ask, alone=alone)
        self.lock_waits = LockWaits(server, name)
        self.lock_waits.start()
        self._evidence = Evidence(server, name, self.bill)
        self._evidence.statements.start()
        self._snapshots = Snapshots(self._reset, lambda: next(self._numbers))
        self._database, self._place = database, (server, name)
        self._begin_mode()

    def add_redis(self, run: Run) -> None:
        """Undo, from now on, what tests do to the Redis of ``run``; nothing at a second call."""
        if self._keyspace is not None:
            return
        server = run.ensure_redis()
        if run.redis_lease is not None:
            from testkit.isolation.leased_keyspace import LeasedKeyspace

            self._keyspace = LeasedKeyspace(server.address, run.redis_lease.check)
        else:
            from testkit.isolation.keyspace import Keyspace

            self._keyspace = Keyspace(server.address)

    def _begin_mode(self) -> None:
        if self._database is not None:
            self._database.snapshots = None if self._mode == "rollback" else self._snapshots
        if self._mode != "rollback" or self._pools is None or self._reset is None:
            return
        if self._rollback is None:
            from testkit.isolation.rollback.mode import RollbackMode

            self._rollback = RollbackMode(
                *self._place,
                self._periods,
                f"{self._root}/",
                is_of_the_test=self._pools.is_of_the_test,
                ask=self._reset.ask,
            )
        self._rollback.begin(self._period)

    @billed
    def begin_test(self, mode: str = "reset") -> None:
        """Before the first test: what conftest files and imports did so far stays.

        Before one that is undone: what those that were not have left goes.
        """
        self.bill.begin_test()
        with self._noticing():
            if not self._begun:
                self._begun = True
                self._claim(-1, NOTHING, "the import of the tests")
            if mode != "none":
                while self._left:
                    self._end(self._left.pop())
            else:
                self._before_test = self.before_fixture()
            self._mode = mode
            if mode == "clone" and self._reset is not None:
                if self._spares is not None:
                    self._spares.start()
                self._reset.begin_clone()
            self._period = self._periods.now
            self._begin_mode()
        if self.lock_waits is not None:
            self.lock_waits.take()  # of a test that passed all the same
        if self._pools is not None:
            self._pools.note_others()
        if self._evidence is not None:
            self._evidence.statements.forget()

    @billed
    def before_fixture(self) -> Written:
        """Return how far database and Redis have been written, for ``after_fixture``."""
        written = NOTHING
        with self._noticing():
            if self._server_wide is not None:
                self._server_wide.note()
            written = (
                self._reset.snapshot() if self._reset else None,
                self._keyspace.changes() if self._keyspace else 0,
            )
        return written  # noqa: RET504 - unchanged where a server is gone

    @billed
    def after_fixture(self, fixture: object, who: str, since: Written) -> None:
        """Let what a wider-scoped fixture did stay until ``end_fixture``."""
        owner = self._owners[fixture] = next(self._numbers)
        with self._noticing():
            self._claim(owner, since, who)
        if self._pools is not None:
            self._pools.note_others()

    @billed
    def end_fixture(self, fixture: object) -> list[TestkitError]:
        """Undo what that fixture did; answer what it left in use, as ``finish_test`` does."""
        owner = self._owners.pop(fixture, None)
        leaks: list[TestkitError] = []
        if owner is not None:
            self._periods.turn()
            with self._noticing(leaks):
                self._end(owner)
            self._look_at_clients(leaks)
        return leaks

    def finish_test(
        self,
        who: str,
        leaks: list[TestkitError],
        *,
        period: int,
        cut_short: bool,
        ends_held: bool = True,
    ) -> None:
        """Undo what the test did. Raises TK301, TK310, TK331 and TK341, charged to this test.

        A copy of the template takes the place of the database of a test that asked for a clone.
        Adds to ``leaks`` TK302 and TK311 for what the test left in use: it was ended, except for
        checkouts of that ``period`` outside of a transaction where ``ends_held`` is False. A test
        that was ``cut_short`` did not get to close what it opened, and its traceback keeps that
        alive: its checkouts are not asked for.
        """
        undoes = self._reset is not None or self._keyspace is not None
        try:
            with self.bill.timed("isolation", count=int(undoes)):
                self._finish_test(
                    who, leaks, period=period, cut_short=cut_short, ends_held=ends_held
                )
        finally:
            self.bill.finish_test(who)

    def _finish_test(
        self,
        who: str,
        leaks: list[TestkitError],
        *,
        period: int,
        cut_short: bool,
        ends_held: bool,
    ) -> None:
        if self._database is not None:
            self._database.finish_test()
        with contextlib.ExitStack() as steps:
            # The last first, and each whatever the ones before it raise: the next test must be
            # charged with nothing.
            steps.callback(self._look_at_clients, leaks)
            for step in (self._finish_redis, self._end_lock_holders, self._finish_server_wide):
                steps.callback(self._noticed, leaks, partial(step, who))
            with self._noticing(leaks):
                # Before: a database that is made anew has lost what the test did to the old one.
                if self._server_wide is not None:
                    self._server_wide.note()
                with contextlib.ExitStack() as rest:
                    rest.callback(
                        self._undo_rows, who, period, cut_short=cut_short, ends_held=ends_held
                    )
                    if self._mode == "rollback" and self._rollback is not None:
                        self._rollback.end(cut_short=cut_short)

    def notes(self) -> list[TestkitError]:
        """Return what the last test did that its isolation cannot show."""
        return self._rollback.notes() if self._rollback is not None else []

    def keep_test(self, who: str) -> None:
        """Let what a test did that is not undone stay until a test begins that is."""
        if self._database is not None:
            self._database.finish_test()
        if self._snapshots is not None:
            self._left += self._snapshots.give_up()
        if not self._left or self._left[-1] < max(self._owners.values(), default=0):
            self._left.append(next(self._numbers))  # else it goes with what lies directly below it
        with self._noticing():
            self._claim(self._left[-1], (None, self._before_test[1]), who)
        self._look_at_clients([])

    def evidence(self) -> str | None:
        """Return what the database tells of a test that failed just now, None if nothing."""
        return self._evidence.told() if self._evidence and self._reset else None

    def used(self) -> bool | None:
        """Return whether the running test, or a fixture of its own, used the database.

        That is: SQLAlchemy sent a statement, or something was committed by whatever driver. None
        where nothing tells of it.
        """
        if self._evidence is None or self._reset is None:
            return None
        if self._mode == "rollback":
            return False  # nothing is committed that could be kept
        if self._evidence.statements.lines():
            return True
        others = [-1, *self._owners.values(), *self._left]
        query = "SELECT EXISTS (SELECT FROM pg_testkit.journal WHERE owner <> ALL ('{%s}'))"
        return bool(self._reset.ask(query % ",".join(map(str, others)))[0][0])

    def undo_no_more(self) -> None:
        """Close the connections that undo: from now on nothing is undone."""
        for part in (self._reset, self._keyspace):
            if part is not None:
                part.close()
        self._reset = self._keyspace = self._server_wide = None
        if self._spares is not None:
            self._spares.close()

    def close(self) -> None:
        """Undo nothing any more, and take every listener out of SQLAlchemy."""
        self.undo_no_more()
        if self._rollback is not None:
            self._rollback.stop()
        if self._pools is not None:
            self._pools.stop()
        if self.lock_waits is not None:
            self.lock_waits.stop()
        if self._evidence is not None:
            self._evidence.statements.stop()

    def _undo_rows(self, who: str, period: int, *, cut_short: bool, ends_held: bool) -> None:
        if self._reset is None:
            return
        held = self._pools.left_by(period, cut_short=cut_short) if self._pools else []
        if self._snapshots is not None:
            self._snapshots.end()
        undo = self._reset.exchange if self._mode == "clone" else self._reset.finish
        undo(
            who,
            patience=SHORT_PATIENCE if cut_short else PATIENCE,
            held=held,
            release=partial(self._release, period, ends=ends_held),
        )
        if self._mode == "rollback" and self._rollback is not None and self._reset.undid:
            self._rollback.others_committed()

    def _look_at_clients(self, leaks: list[TestkitError]) -> None:
        left = self._keyspace.left() if self._keyspace is not None else None
        leaks += [left] if left else []

    def _end(self, owner: int) -> None:
        try:
            if self._reset is not None:
                self._reset.end(owner)
        finally:
            if self._server_wide is not None:
                self._server_wide.accept() if not self._replaced else self._server_wide.replaced()
                self._replaced = False
            if self._keyspace is not None:
                self._keyspace.end(owner)

    def _release(self, period: int, held: Collection[int], *, ends: bool) -> Collection[int]:
        """Close what can be closed of the checkouts; answer which of the rest are to be ended."""
        if self._pools is None:
            return held
        self._pools.close_sessions(held)
        return self._pools.followed.take_back(period) if ends else ()

    def _note_replaced(self) -> None:
        self._replaced = True
        if self._rollback is not None:
            self._rollback.replaced()
        if self._pools is not None:
            self._pools.replaced()

    def _finish_server_wide(self, who: str) -> None:
        if self._server_wide is not None:
            if self._replaced:
                self._server_wide.replaced()
            self._replaced = False
            self._server_wide.finish(who)

    def _finish_redis(self, _who: str) -> None:
        if self._keyspace is not None:
            self._keyspace.finish()

    def _noticed(self, leaks: list[TestkitError], step: Callable[[], None]) -> None:
        with self._noticing(leaks):
            step()

    def _end_lock_holders(self, _who: str) -> None:
        """End whoever holds an advisory lock that the next test may wait for."""
        if self._pools is not None and self._reset is not None and self._reset.locked:
            self._reset.end_lock_holders(self._pools.withdraw)

    def _claim(self, owner: int, since: Written, who: str) -> None:
        if self._reset is not None:
            self._reset.claim(owner, since=since[0], who=who)
        if self._server_wide is not None:
            self._server_wide.accept()
        if self._keyspace is not None:
            self._keyspace.claim(owner, since=since[1])

    @contextlib.contextmanager
    def _noticing(self, leaks: list[TestkitError] | None = None) -> Iterator[None]:
        """Let what fails because a server has ended fail nothing here; gather leaks."""
        try:
            yield
        except TestkitError as error:
            if leaks is None or error.code not in _LEAKS:
                raise
            leaks.append(error)
        except Exception:
            if not self._is_gone():
                raise
