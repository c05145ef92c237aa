"""One process of a pytest run: its servers, and what is made on them."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import TYPE_CHECKING, Final

from testkit.core.addresses import expand_env, kinds_named
from testkit.core.messages import TestkitError
from testkit.pytest_plugin.finish import finish_of
from testkit.pytest_plugin.isolation import Isolation
from testkit.servers.gone import find_gone
from testkit.servers.run import Run
from testkit.servers.templates.place import cache_directory
from testkit.system.processes import identify

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from testkit.core.addresses import Address
    from testkit.core.current import Periods
    from testkit.core.options import Settings
    from testkit.faults.servers import ServerFaults
    from testkit.isolation.database import Database
    from testkit.isolation.further import FurtherDatabases
    from testkit.isolation.refusals import Refusals
    from testkit.isolation.refused_commands import RefusedCommands
    from testkit.pytest_plugin.faulting import Faulting
    from testkit.servers.postgres import PostgresServer
    from testkit.servers.redis import RedisServer

__all__ = ["Worker"]

# Seconds between the end of a server's connections and the moment at which its keeper knows why.
_NEWS_SECONDS: Final = 3.0


class Worker:
    """Starts what is asked for, once; ``isolation`` undoes what each test does to it.

    ``controller`` is the pid of the run's controller; it is our own where there is no xdist.
    ``gone`` is TK303 from the moment at which a server was found to have ended: nothing is undone
    after that, and nothing fails for it here. ``refusals`` remembers what was refused on a leased
    Redis.
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
        refusals: Refusals,
    ) -> None:
        self.settings = settings
        self._refusals = refusals
        self._commands: RefusedCommands | None = None
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
        self.further: FurtherDatabases | None = None
        self.faulting: Faulting | None = None
        self._periods = periods
        self.isolation = Isolation(periods, lambda: self.look(seconds=_NEWS_SECONDS), root)
        self._database_lock = threading.Lock()
        self._redis_lock = threading.Lock()
        self._database_made = False
        self._prepared: Database | None = None
        self._early: list[threading.Thread] = []
        self._wanted: list[Callable[[], object]] = []
        self._failure: BaseException | None = None
        self._position = ""  # of the server's log, where nothing is undone
        self._faults: dict[str, ServerFaults] = {}

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
        with self.isolation.bill.timed("start"):
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
        with self.isolation.bill.timed("start"):
            while self._early:
                self._early.pop().join()
            if self._failure is not None:
                raise self._failure
            for ensure in self._wanted:
                ensure()

    def ensure_postgres(self) -> PostgresServer:
        """Return the run's Postgres."""
        with self.isolation.bill.timed("start"), self._database_lock:
            return self.run.ensure_postgres()

    def ensure_database(self) -> Database:
        """Return this worker's database, made from the template at the first call."""
        if self.database is None:
            with self.isolation.bill.timed("start"):
                database = self._prepared or self._prepare(self.run.database_address())
                server = self._start_database()
                if self.settings.isolation != "none":
                    self.isolation.add_database(
                        database, server, self.run.database, alone=self.run.processes == 1
                    )
                elif self.settings.keep_failed:
                    self._position = _position(server)
                self.further = database.further = self._further(server)
                self.database = database
        return self.database

    def redis_faults(self) -> ServerFaults:
        """Return what a test may do to this worker's Redis. Raises TK640."""
        from testkit.faults.whose import redis_faults

        if "redis" not in self._faults:
            self.ensure_redis()
            self._faults["redis"] = redis_faults(self.run, self.isolation.redis_restarted)
        return self._faults["redis"]

    def postgres_faults(self) -> ServerFaults:
        """Return what a test may do to the run's Postgres. Raises TK640."""
        from testkit.faults.whose import postgres_faults

        if "postgres" not in self._faults:
            self.ensure_database()
            self._faults["postgres"] = postgres_faults(
                self.run, self.isolation.database, self._postgres_restarted
            )
        return self._faults["postgres"]

    def end_faults(self) -> None:
        """End what the test did to the network, and let servers go on that it paused or killed.

        Before its fixtures are torn down: they may talk to the servers.
        """
        if self.faulting is not None:
            self.faulting.end_faults()
        for faults in self._faults.values():
            # A server that does not come back is gone, which is told as such.
            with contextlib.suppress(TestkitError, OSError):
                faults.end()

    def written_to(self) -> bool:
        """Return whether anything was written on the Postgres since the last call."""
        before, self._position = self._position, _position(self.run.ensure_postgres())
        return before != self._position

    def ensure_redis(self) -> RedisServer:
        """Return this worker's Redis."""
        with self.isolation.bill.timed("start"):
            server = self._start_redis()
            if self.settings.isolation != "none":
                self.isolation.add_redis(self.run)
        return server

    def ensure_faulting(self) -> Faulting:
        """Return what makes relays in front of the servers; it is loaded for who asks."""
        if self.faulting is None:
            from testkit.pytest_plugin.faulting import Faulting

            self.faulting = Faulting(self)
        return self.faulting

    def _postgres_restarted(self) -> None:
        if self.further is not None:
            self.further.restarted()

    def _further(self, server: PostgresServer) -> FurtherDatabases:
        from testkit.isolation.further import FurtherDatabases

        undoing = self.isolation.database
        pools = undoing.pools if undoing is not None else None
        return FurtherDatabases(server, self.run.database, self._periods, pools)

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
            server = self.run.ensure_redis()
            lease = self.run.redis_lease
            if lease is not None and self._commands is None:
                from testkit.isolation.refused_commands import RefusedCommands

                self._commands = RefusedCommands(
                    server.address, holder=lease.holder, refusals=self._refusals
                )
                self._commands.begin()
        return server

    def look(self, *, seconds: float = 0) -> bool:
        """Set ``gone`` where a server has ended, and answer that; wait so long for the news."""
        if self.gone is None:
            self.gone = find_gone(self.run, seconds=seconds)
        if self.gone is not None:
            self.isolation.undo_no_more()
        return self.gone is not None

    def refuse_no_more(self) -> None:
        """Let every command be sent again: nothing of the tests runs any more."""
        while self._early:
            self._early.pop().join()
        if self.faulting is not None:
            self.faulting.close()  # what was put on last goes first
        if self._commands is not None:
            self._commands.end()

    def close(self) -> None:
        """Stop what this process started."""
        self.refuse_no_more()
        self.isolation.close()
        if self.further is not None:
            self.further.close()
        if self.database is not None:
            self.database.dispose()
        self.run.close()

    def _attempt(self, step: Callable[[], object]) -> None:
        try:
            step()
        except BaseException as error:  # noqa: BLE001 - raised again by wait()
            # What fails later may do so for what failed first.
            self._failure = self._failure or error


def _position(server: PostgresServer) -> str:
    with server.connect() as connection:
        rows = connection.execute("SELECT pg_current_wal_insert_lsn()::text").fetchall()
    return str(rows[0][0])


def _progress(words: str) -> None:
    sys.__stderr__ and sys.__stderr__.write(f"testkit: {words}\n")
