"""One process of a pytest run: its servers, its database, its isolation."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from itertools import count
from typing import TYPE_CHECKING, Final

from testkit.core.addresses import expand_env, kinds_named
from testkit.core.messages import TestkitError
from testkit.pytest_plugin.finish import finish_of
from testkit.servers.gone import find_gone
from testkit.servers.run import Run
from testkit.servers.templates.place import cache_directory
from testkit.system.processes import identify

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path

    from testkit.core.addresses import Address
    from testkit.core.current import Periods
    from testkit.core.options import Settings
    from testkit.isolation.database import Database
    from testkit.isolation.keyspace import Keyspace
    from testkit.isolation.leased_keyspace import LeasedKeyspace
    from testkit.isolation.lock_waits import LockWaits
    from testkit.isolation.pools import PoolWatch
    from testkit.isolation.reset import DatabaseReset
    from testkit.servers.postgres import PostgresServer
    from testkit.servers.redis import RedisServer

__all__ = ["NOTHING", "Worker", "Written"]

# The database's snapshot, and Redis' count of writes, before a fixture.
Written = tuple[str | None, int]
NOTHING: Final[Written] = (None, 0)

# Seconds that a transaction which a test began gets to end by itself.
_PATIENCE: Final = 2.0
_SHORT_PATIENCE: Final = 0.2
# Seconds between the end of a server's connections and the moment at which its keeper knows why.
_NEWS_SECONDS: Final = 3.0


class Worker:
    """Starts what is asked for, once, and undoes what each test did.

    ``controller`` is the pid of the run's controller; it is our own where there is no xdist.
    ``gone`` is TK303 from the moment at which a server was found to have ended: nothing is undone
    after that, and nothing fails for it here.
    """

    def __init__(
        self,
        settings: Settings,
        root: Path,
        *,
        token: str,
        controller: int,
        name: str,
        workers: int,
        periods: Periods,
    ) -> None:
        self.settings = settings
        self._periods = periods
        self.notes: list[str] = []
        self.gone: TestkitError | None = None
        self.asked = False
        me, owner = identify(os.getpid()), identify(controller)
        assert me is not None
        cache, note = cache_directory(settings)
        if note:
            self.notes.append(note)
        self.run = Run(
            token=token,
            owner=owner or me,
            me=me,
            worker=name,
            workers=workers,
            settings=settings,
            root=root,
            cache=cache,
            finish=finish_of(settings),
            progress=_progress,
        )
        self.database: Database | None = None
        self.reset: DatabaseReset | None = None
        self.keyspace: Keyspace | LeasedKeyspace | None = None
        self.lock_waits: LockWaits | None = None
        self._pools: PoolWatch | None = None
        self._database_lock = threading.Lock()
        self._redis_lock = threading.Lock()
        self._database_made = False
        self._prepared: Database | None = None
        self._early: list[threading.Thread] = []
        self._wanted: list[Callable[[], object]] = []
        self._failure: BaseException | None = None
        self._begun = False
        self._owners: dict[object, int] = {}
        self._left: list[int] = []  # by tests that are not undone
        self._before_test = NOTHING
        self._numbers = count(1)  # never used twice: two owners may be alive in any order

    # --- servers

    def environment(self) -> Mapping[str, str]:
        """Return the variables of ``env``, with addresses that hold for the whole run."""
        kinds = kinds_named(self.settings.env)
        addresses = {}
        if "database" in kinds:
            addresses["database"] = self.run.database_address()
        if "redis" in kinds:
            addresses["redis"] = self.run.redis_address()
        return expand_env(self.settings.env, addresses)

    def start_named(self) -> BaseException | None:
        """Start what ``env`` names, and wait until it takes connections.

        Now, because a conftest file may connect while it is imported, also in a controller that
        only distributes. What goes wrong is answered, and raised by ``wait``.
        """
        self.start_early(kinds_named(self.settings.env))
        for thread in self._early:
            thread.join()
        return self._failure

    def start_early(self, kinds: Collection[str]) -> None:
        """Start ``database`` and ``redis`` in the background, at the same time."""
        # Now: it needs the run's lock, which the start below holds for as long as it takes.
        address = self.run.database_address() if "database" in kinds else None
        steps: list[Callable[[], object]] = []
        if "redis" in kinds:
            self._wanted.append(self.ensure_redis)
            steps.append(self._start_redis)
        if address is not None:
            self._wanted.append(self.ensure_database)
            steps.append(self._start_database)
        for step in steps:
            thread = threading.Thread(
                # Daemons: an interrupted run must not wait for its migrations.
                target=self._attempt,
                args=(step,),
                name="testkit start",
                daemon=True,
            )
            self._early.append(thread)
            thread.start()
        if address is not None:
            # The server needs no help while it starts: load meanwhile what talks to it.
            try:
                self._prepared = self._prepare(address)
            except ModuleNotFoundError as error:
                self._failure = self._failure or error

    def wait(self) -> None:
        """Wait for what was started early and connect to it; raises what went wrong there."""
        while self._early:
            self._early.pop().join()
        if self._failure is not None:
            raise self._failure
        for ensure in self._wanted:
            ensure()

    def ensure_postgres(self) -> PostgresServer:
        """Return the run's Postgres."""
        with self._database_lock:
            return self.run.ensure_postgres()

    def ensure_database(self) -> Database:
        """Return this worker's database, made from the template at the first call."""
        if self.database is None:
            from testkit.isolation.lock_waits import LockWaits
            from testkit.isolation.pools import PoolWatch
            from testkit.isolation.reset import DatabaseReset
            from testkit.isolation.snapshots import Snapshots

            database = self._prepared or self._prepare(self.run.database_address())
            server = self._start_database()
            if self.settings.isolation == "reset":
                self._pools = PoolWatch(server.port, self._periods)
                self._pools.start()
                self.reset = DatabaseReset(
                    server,
                    self.run.database,
                    replaced=self._pools.replaced,
                    suspended=self._pools.suspended,
                )
                self.lock_waits = LockWaits(server, self.run.database)
                self.lock_waits.start()
                database.snapshots = Snapshots(self.reset, lambda: next(self._numbers))
            self.database = database
        return self.database

    def ensure_redis(self) -> RedisServer:
        """Return this worker's Redis."""
        server = self._start_redis()
        if self.keyspace is None and self.settings.isolation == "reset":
            self.keyspace = _keyspace(server, self.run)
        return server

    def _prepare(self, address: Address) -> Database:
        from testkit.isolation import pools, reset  # noqa: F401 - loaded for ensure_database
        from testkit.isolation.database import Database

        database = Database(address)
        _ = database.engine  # loads SQLAlchemy's dialect
        if self.settings.budget is not None:
            _ = database.queries  # now: no test's time should hold the loading of what measures it
        return database

    def _start_database(self) -> PostgresServer:
        with self._database_lock:
            if not self._database_made:
                self.run.ensure_database()
                self._database_made = True
            return self.run.ensure_postgres()

    def _start_redis(self) -> RedisServer:
        with self._redis_lock:
            return self.run.ensure_redis()

    # --- isolation

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

    def before_fixture(self) -> Written:
        """Return how far database and Redis have been written, for ``after_fixture``."""
        written = NOTHING
        with self._noticing():
            written = (
                self.reset.snapshot() if self.reset else None,
                self.keyspace.changes() if self.keyspace else 0,
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
        """Undo what the test did. Raises TK301, TK302 and TK310, charged to this test.

        Where it is not to be undone it stays, like what a wider-scoped fixture did, until a test
        begins that is.
        A test that was ``cut_short`` did not get to close what it opened, and its traceback keeps
        that alive: then TK302 is no second error but answered, as a note.
        """
        if self.database is not None:
            self.database.finish_test()
        if not undone:
            if self.database is not None and self.database.snapshots is not None:
                self._left += self.database.snapshots.give_up()
            owner = next(self._numbers)
            self._left.append(owner)
            with self._noticing():
                self._claim(owner, (None, self._before_test[1]), who)
            return None
        with self._noticing():
            try:
                if self.reset is not None:
                    self._end_snapshots()
                    self.reset.finish(who, patience=_SHORT_PATIENCE if cut_short else _PATIENCE)
            except TestkitError as error:
                if cut_short and error.code == "TK302":
                    return str(error)
                raise
            finally:
                try:
                    self._end_lock_holders()
                finally:
                    if self.keyspace is not None:
                        self.keyspace.finish()
        return None

    def _end_snapshots(self) -> None:
        if self.database is not None and self.database.snapshots is not None:
            self.database.snapshots.end()

    def look(self, *, seconds: float = 0) -> None:
        """Set ``gone`` where a server has ended; wait so long for the news of it."""
        if self.gone is None:
            self.gone = find_gone(self.run, seconds=seconds)
        if self.gone is not None:
            self._close_parts()

    def close(self) -> None:
        """Stop what this process started."""
        while self._early:
            self._early.pop().join()
        self._close_parts()
        if self._pools is not None:
            self._pools.stop()
        if self.lock_waits is not None:
            self.lock_waits.stop()
        if self.database is not None:
            self.database.dispose()
        self.run.close()

    def _end(self, owner: int) -> None:
        try:
            if self.reset is not None:
                self.reset.end(owner)
        finally:
            if self.keyspace is not None:
                self.keyspace.end(owner)

    def _end_lock_holders(self) -> None:
        """End what lies in a pool with an advisory lock that the next test may wait for."""
        if self._pools is not None and self.reset is not None and self._pools.used():
            self.reset.end_lock_holders(self._pools.withdraw)

    def _claim(self, owner: int, since: Written, who: str) -> None:
        if self.reset is not None:
            self.reset.claim(owner, since=since[0], who=who)
        if self.keyspace is not None:
            self.keyspace.claim(owner, since=since[1])

    @contextlib.contextmanager
    def _noticing(self) -> Iterator[None]:
        """Set ``gone``, instead of failing, where a server that has ended is the reason."""
        try:
            yield
        except TestkitError:
            raise
        except Exception:
            self.look(seconds=_NEWS_SECONDS)
            if self.gone is None:
                raise

    def _close_parts(self) -> None:
        """Undo nothing any more."""
        for part in (self.reset, self.keyspace):
            if part is not None:
                part.close()
        self.reset = self.keyspace = None

    def _attempt(self, step: Callable[[], object]) -> None:
        try:
            step()
        except BaseException as error:  # noqa: BLE001 - raised again by wait()
            # What fails later may do so for what failed first.
            self._failure = self._failure or error


def _keyspace(server: RedisServer, run: Run) -> Keyspace | LeasedKeyspace:
    if run.redis_lease is not None:
        from testkit.isolation.leased_keyspace import LeasedKeyspace

        return LeasedKeyspace(server.address, run.redis_lease.check)
    from testkit.isolation.keyspace import Keyspace

    return Keyspace(server.address)


def _progress(words: str) -> None:
    sys.__stderr__ and sys.__stderr__.write(f"testkit: {words}\n")
