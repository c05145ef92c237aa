"""What undoes the tests of one process, in its database and its Redis."""

from __future__ import annotations

import contextlib
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Final

from testkit.core.messages import TestkitError
from testkit.isolation.bill import Bill, billed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from testkit.core.current import Periods
    from testkit.isolation.database import Database
    from testkit.isolation.keyspace import Keyspace
    from testkit.isolation.leased_keyspace import LeasedKeyspace
    from testkit.isolation.lock_waits import LockWaits
    from testkit.isolation.undoing import DatabaseUndoing
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
        #: What undoes the database; None before there is one, and once a server is gone.
        self.database: DatabaseUndoing | None = None
        self._listening: DatabaseUndoing | None = None  # to SQLAlchemy, to the end
        self._keyspace: Keyspace | LeasedKeyspace | None = None
        self._begun = False
        self._mode, self._period = "reset", periods.now
        self._owners: dict[object, int] = {}
        self._left: list[int] = []  # by tests that are not undone
        self._before_test = NOTHING
        self._numbers = count(1)  # never used twice: two owners may be alive in any order

    @property
    def lock_waits(self) -> LockWaits | None:
        """Who held the locks that statements waited for, where there is a database."""
        return self._listening.lock_waits if self._listening is not None else None

    def add_database(
        self, database: Database, server: PostgresServer, name: str, *, alone: bool
    ) -> None:
        """Undo, from now on, what tests do to the database ``name`` of ``server``.

        ``alone``: no other process works on the server.
        """
        from testkit.isolation.undoing import DatabaseUndoing

        self.database = self._listening = DatabaseUndoing(
            database,
            server,
            name,
            alone=alone,
            periods=self._periods,
            bill=self.bill,
            root=f"{self._root}/",
            next_owner=lambda: next(self._numbers),
        )
        self.database.begin_test(self._mode, self._period)

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
                left, self._left = sorted(self._left, reverse=True), []
                if left:
                    self._end(*left)  # at once: all of them may have changed the schema
            else:
                self._before_test = self.before_fixture()
            self._mode, self._period = mode, self._periods.now
            if self.database is not None:
                self.database.begin_test(mode, self._period)
        if self._listening is not None:
            self._listening.forget_the_last()

    @billed
    def before_fixture(self) -> Written:
        """Return how far database and Redis have been written, for ``after_fixture``."""
        written = NOTHING
        with self._noticing():
            written = (
                self.database.snapshot() if self.database else None,
                self._keyspace.changes() if self._keyspace else 0,
            )
        return written  # noqa: RET504 - unchanged where a server is gone

    @billed
    def after_fixture(self, fixture: object, who: str, since: Written) -> None:
        """Let what a wider-scoped fixture did stay until ``end_fixture``."""
        owner = self._owners[fixture] = next(self._numbers)
        with self._noticing():
            self._claim(owner, since, who)
        if self._listening is not None:
            self._listening.pools.note_others()

    @billed
    def end_fixture(self, fixture: object) -> list[TestkitError]:
        """Undo what that fixture did; answer what it left in use, as ``finish_test`` does."""
        owner = self._owners.pop(fixture, None)
        leaks: list[TestkitError] = []
        if owner is not None:
            self._periods.turn()
            with self._noticing(leaks):
                self._end(owner, may_wait=bool(self._left))
            if self.database is not None and self.database.reset.waits:
                self._leave(owner)
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
        undoes = self.database is not None or self._keyspace is not None
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
        if self._listening is not None:
            self._listening.database.finish_test()
        with contextlib.ExitStack() as steps:
            # The last first, and each whatever the ones before it raise: the next test must be
            # charged with nothing.
            steps.callback(self._look_at_clients, leaks)
            if self._keyspace is not None:
                steps.callback(self._noticed, leaks, self._keyspace.finish)
            if (database := self.database) is None:
                return
            steps.callback(self._noticed, leaks, database.end_lock_holders)
            steps.callback(self._noticed, leaks, partial(database.finish_server_wide, who))
            with self._noticing(leaks):
                database.undo(who, period, cut_short=cut_short, ends_held=ends_held)

    def notes(self) -> list[TestkitError]:
        """Return what the last test did that its isolation cannot show."""
        return self._listening.notes() if self._listening is not None else []

    def keep_test(self, who: str) -> None:
        """Let what a test did that is not undone stay until a test begins that is."""
        if self._listening is not None:
            self._listening.database.finish_test()
            self._left += self._listening.give_up_snapshots()
        if not self._left or self._left[-1] < max(self._owners.values(), default=0):
            self._left.append(next(self._numbers))  # else it goes with what lies directly below it
        with self._noticing():
            self._claim(self._left[-1], (None, self._before_test[1]), who)
        self._look_at_clients([])

    def evidence(self) -> str | None:
        """Return what the database tells of a test that failed just now, None if nothing."""
        return self.database.evidence() if self.database is not None else None

    def used(self) -> bool | None:
        """Return whether the running test, or a fixture of its own, used the database.

        That is: SQLAlchemy sent a statement, or something was committed by whatever driver. None
        where nothing tells of it.
        """
        if self.database is None:
            return None
        return self.database.used([-1, *self._owners.values(), *self._left])

    def redis_restarted(self) -> None:
        """Go on with a Redis that was killed and started again."""
        from testkit.isolation.keyspace import Keyspace

        if isinstance(self._keyspace, Keyspace):
            self._keyspace.restarted()

    def undo_no_more(self) -> None:
        """Close the connections that undo: from now on nothing is undone."""
        if self.database is not None:
            self.database.undo_no_more()
        if self._keyspace is not None:
            self._keyspace.close()
        self.database = self._keyspace = None

    def close(self) -> None:
        """Undo nothing any more, and take every listener out of SQLAlchemy."""
        self.undo_no_more()
        if self._listening is not None:
            self._listening.close()

    def _look_at_clients(self, leaks: list[TestkitError]) -> None:
        left = self._keyspace.left() if self._keyspace is not None else None
        leaks += [left] if left else []

    def _leave(self, owner: int) -> None:
        """Let a fixture that has ended go together with what tests have left."""
        teardown = next(self._numbers)
        with self._noticing():
            self._claim(teardown, NOTHING, "the teardown of a fixture")
        self._left += [owner, teardown]

    def _end(self, *owners: int, may_wait: bool = False) -> None:
        try:
            if self.database is not None:
                self.database.end(*owners, may_wait=may_wait)
        finally:
            if self._keyspace is not None:
                for owner in owners:
                    self._keyspace.end(owner)

    def _noticed(self, leaks: list[TestkitError], step: Callable[[], None]) -> None:
        with self._noticing(leaks):
            step()

    def _claim(self, owner: int, since: Written, who: str) -> None:
        if self.database is not None:
            self.database.claim(owner, since[0], who)
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
