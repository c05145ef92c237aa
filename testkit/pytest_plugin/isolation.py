"""What undoes the tests of one process, in its database and its Redis."""

from __future__ import annotations

import contextlib
from itertools import count
from typing import TYPE_CHECKING, Final

from testkit.core.messages import TestkitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from testkit.core.current import Periods
    from testkit.isolation.database import Database
    from testkit.isolation.keyspace import Keyspace
    from testkit.isolation.leased_keyspace import LeasedKeyspace
    from testkit.isolation.lock_waits import LockWaits
    from testkit.isolation.pools import PoolWatch
    from testkit.isolation.reset import DatabaseReset
    from testkit.isolation.server_wide import ServerWide
    from testkit.servers.postgres import PostgresServer
    from testkit.servers.run import Run

__all__ = ["NOTHING", "Isolation", "Written"]

# The database's snapshot, and Redis' count of writes, before a fixture.
Written = tuple[str | None, int]
NOTHING: Final[Written] = (None, 0)

# Seconds that a transaction which a test began gets to end by itself.
_PATIENCE: Final = 2.0
_SHORT_PATIENCE: Final = 0.2


class Isolation:
    """Puts back what each test did to the servers that were added.

    ``is_gone`` answers whether a server of the run has ended: what fails for that reason fails
    nothing here. Without a server every method does nothing.
    """

    def __init__(self, periods: Periods, is_gone: Callable[[], bool]) -> None:
        self._periods, self._is_gone = periods, is_gone
        self.lock_waits: LockWaits | None = None
        self._database: Database | None = None
        self._reset: DatabaseReset | None = None
        self._server_wide: ServerWide | None = None
        self._keyspace: Keyspace | LeasedKeyspace | None = None
        self._pools: PoolWatch | None = None
        self._begun = False
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
        from testkit.isolation.lock_waits import LockWaits
        from testkit.isolation.pools import PoolWatch
        from testkit.isolation.reset import DatabaseReset
        from testkit.isolation.server_wide import ServerWide
        from testkit.isolation.snapshots import Snapshots

        self._pools = PoolWatch(server.port, self._periods)
        self._pools.start()
        self._reset = DatabaseReset(
            server, name, replaced=self._pools.replaced, suspended=self._pools.suspended
        )
        self._server_wide = ServerWide(server, name, self._reset.ask, alone=alone)
        self.lock_waits = LockWaits(server, name)
        self.lock_waits.start()
        database.snapshots = Snapshots(self._reset, lambda: next(self._numbers))
        self._database = database

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

    def begin_test(self, *, undone: bool = True) -> None:
        """Before the first test: what conftest files and imports did so far stays.

        Before one that is undone: what those that were not have left goes.
        """
        with self._noticing():
            if not self._begun:
                self._begun = True
                self._claim(-1, NOTHING, "the import of the tests")
            if undone:
                while self._left:
                    self._end(self._left.pop())
            else:
                self._before_test = self.before_fixture()
        if self.lock_waits is not None:
            self.lock_waits.take()  # of a test that passed all the same

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

    def after_fixture(self, fixture: object, who: str, since: Written) -> None:
        """Let what a wider-scoped fixture did stay until ``end_fixture``."""
        owner = self._owners[fixture] = next(self._numbers)
        with self._noticing():
            self._claim(owner, since, who)

    def end_fixture(self, fixture: object) -> None:
        """Undo what that fixture did."""
        owner = self._owners.pop(fixture, None)
        if owner is None:
            return
        self._periods.turn()
        with self._noticing():
            self._end(owner)

    def finish_test(self, who: str, *, cut_short: bool, undone: bool = True) -> str | None:
        """Undo what the test did. Raises TK301, TK302, TK310 and TK331, charged to this test.

        Where it is not to be undone it stays, like what a wider-scoped fixture did, until a test
        begins that is.
        A test that was ``cut_short`` did not get to close what it opened, and its traceback keeps
        that alive: then TK302 is no second error but answered, as a note.
        """
        if self._database is not None:
            self._database.finish_test()
        if not undone:
            if self._database is not None and self._database.snapshots is not None:
                self._left += self._database.snapshots.give_up()
            owner = next(self._numbers)
            self._left.append(owner)
            with self._noticing():
                self._claim(owner, (None, self._before_test[1]), who)
            return None
        with self._noticing():
            try:
                self._finish_database(who, _SHORT_PATIENCE if cut_short else _PATIENCE)
            except TestkitError as error:
                if cut_short and error.code == "TK302":
                    return str(error)
                raise
            finally:
                try:
                    self._end_lock_holders()
                finally:
                    if self._keyspace is not None:
                        self._keyspace.finish()
        return None

    def undo_no_more(self) -> None:
        """Close the connections that undo: from now on nothing is undone."""
        for part in (self._reset, self._keyspace):
            if part is not None:
                part.close()
        self._reset = self._keyspace = self._server_wide = None

    def close(self) -> None:
        """Undo nothing any more, and take every listener out of SQLAlchemy."""
        self.undo_no_more()
        if self._pools is not None:
            self._pools.stop()
        if self.lock_waits is not None:
            self.lock_waits.stop()

    def _finish_database(self, who: str, patience: float) -> None:
        try:
            if self._reset is not None:
                self._end_snapshots()
                self._reset.finish(who, patience=patience)
        finally:
            # Now in any case: the next test must not be charged with it.
            if self._server_wide is not None:
                self._server_wide.finish(who)

    def _end_snapshots(self) -> None:
        if self._database is not None and self._database.snapshots is not None:
            self._database.snapshots.end()

    def _end(self, owner: int) -> None:
        try:
            if self._reset is not None:
                self._reset.end(owner)
        finally:
            if self._server_wide is not None:
                self._server_wide.accept()
            if self._keyspace is not None:
                self._keyspace.end(owner)

    def _end_lock_holders(self) -> None:
        """End what lies in a pool with an advisory lock that the next test may wait for."""
        if self._pools is not None and self._reset is not None and self._pools.used():
            self._reset.end_lock_holders(self._pools.withdraw)

    def _claim(self, owner: int, since: Written, who: str) -> None:
        if self._reset is not None:
            self._reset.claim(owner, since=since[0], who=who)
        if self._server_wide is not None:
            self._server_wide.accept()
        if self._keyspace is not None:
            self._keyspace.claim(owner, since=since[1])

    @contextlib.contextmanager
    def _noticing(self) -> Iterator[None]:
        """Let what fails because a server has ended fail nothing here."""
        try:
            yield
        except TestkitError:
            raise
        except Exception:
            if not self._is_gone():
                raise
