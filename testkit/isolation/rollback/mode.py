"""The mode ``rollback``: engines on the test's database are given connections that share one."""

from __future__ import annotations

import contextlib
import gc
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import Pool

from testkit.core.messages import TestkitError
from testkit.core.provided import canonical
from testkit.isolation.checkouts import Checkout, close_sessions
from testkit.isolation.connections import database_name, running_loop, server_port
from testkit.isolation.patience import PATIENCE
from testkit.isolation.rollback.joined import AsyncJoined, Joined, JoinedConnection
from testkit.isolation.rollback.outer import OuterTransaction

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from sqlalchemy import Connection
    from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect
    from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

    from testkit.core.current import Periods
    from testkit.servers.postgres import PostgresServer

__all__ = ["RollbackMode"]

_DRIVERS: Final = frozenset({"psycopg", "psycopg_async"})
_ANEW: Final = "the connection does not belong to the test's transaction, or to no other"
_LONGEST: Final = 5.0  # seconds for others to go on, or to see that a session has ended
_PAUSE: Final = 0.005  # seconds between two looks at a checkout that was not returned


class RollbackMode:
    """Runs a test's statements in one transaction, and undoes it.

    Between ``begin`` and ``end`` every engine of psycopg, sync or async, that leads to the database
    as its owner gets connections that share one session; what its pool had is exchanged. Others
    are left alone, and noted.
    """

    def __init__(
        self,
        server: PostgresServer,
        name: str,
        periods: Periods,
        root: str,
        *,
        is_of_the_test: Callable[[Checkout], bool],
        ask: Callable[[str], object],
    ) -> None:
        """Sites below ``root``, which ends with a slash, are told relative to it.

        ``ask`` sends a query by another session.
        """
        self._server, self._database, self._root = server, name, root
        self._periods, self._is_of_the_test, self._ask = periods, is_of_the_test, ask
        self._noted: dict[str, TestkitError] = {}
        self._outer: OuterTransaction | None = None
        self._period: int | None = None  # of the test that runs in it
        self._listens = False
        self._number = 0
        self._stale = self._ended = False  # its end went otherwise than by a rollback
        self._lock = threading.RLock()
        self._pid = 0
        # Set while it is known what the test is that runs.
        self._decided = threading.Event()
        self._holders: weakref.WeakKeyDictionary[JoinedConnection, list[Checkout]]
        self._holders = weakref.WeakKeyDictionary()
        self._key = f"testkit rollback {id(self)}"

    def begin(self, period: int) -> None:
        """Let the test of that period run in a transaction, begun at its first statement."""
        if not self._listens:
            self._listens = True
            event.listen(Engine, "do_connect", self._connect)
            # Before the watch on the pools, which puts back what is to be exchanged here.
            event.listen(Pool, "checkout", self._checked_out, insert=True)
        self._period = period
        self._decided.set()

    def stand_by(self) -> None:
        """Let a test of another mode run."""
        self._decided.set()

    def note(self, what: TestkitError) -> None:
        """Note what the test did that this mode cannot show; one of a code is enough."""
        self._noted.setdefault(what.code, what)

    def others_committed(self) -> None:
        """Note that something else than the test's transaction has changed the database."""
        if not self._ended:
            self.note(TestkitError("TK372", what="Another connection has committed something"))

    def notes(self) -> list[TestkitError]:
        """Return what was noted since the last call."""
        notes, self._noted = list(self._noted.values()), {}
        return notes

    def end(self, *, cut_short: bool) -> None:
        """Undo what the test did, and close what it left checked out.

        Raises TK371, TK377 and TK379, and TK302 for connections that were not returned in 0.2 s,
        where the test was not ``cut_short``.
        """
        with self._lock:
            period, self._period = self._period, None
            self._decided.clear()
            outer = self._outer
        if period is None or outer is None:
            return
        left = self._left(outer, period, cut_short=cut_short)
        close_sessions(self._is_held_here)
        self._ended = True
        try:
            with outer.turns.taken(seconds=PATIENCE) as taken:
                # Who waits for the turn is told that its test is over.
                outer.number = 0
                if outer.link.closed:
                    self._terminate()  # it may go on at the server, with its locks
                if taken and not outer.busy:
                    outer.end()
                    self._ended = False
            if not taken or outer.busy:
                self._abandon(outer)
        finally:
            self._close_what_is_out()
        if left:
            lines = "\n".join(f"  {each}" for each in left)
            raise TestkitError("TK302", seconds=PATIENCE, database=self._database, blockers=lines)

    def _close_what_is_out(self) -> None:
        with self._lock:
            holders = list(self._holders.items())
            for connection, _ in holders:
                self._holders[connection] = []
        for connection, checkouts in holders:
            if connection.set_up or any(each.lasts() for each in checkouts):
                connection.leave()

    def _abandon(self, outer: OuterTransaction) -> None:
        """End the session: somebody is at work in it, or never will be again."""
        self._terminate()
        self._stale = False
        self._outer = None
        if outer.turns.is_of_this_thread():
            outer.link.close()
            return
        with outer.turns.taken(seconds=_LONGEST) as taken:
            if taken:  # else somebody's thread still reads from it
                outer.link.close()

    def _terminate(self) -> None:
        self._ask(f"SELECT pg_terminate_backend({self._pid}, 5000)")

    def replaced(self) -> None:
        """Note that the database was made anew: the session is dead."""
        self._stale = True

    def stop(self) -> None:
        """Listen no more, and close the session."""
        if self._listens:
            event.remove(Engine, "do_connect", self._connect)
            event.remove(Pool, "checkout", self._checked_out)
        if self._outer is not None:
            self._outer.link.close()
            self._outer = None

    # --- engines

    def _runs(self) -> bool:
        """Return whether what connects now is the test's, and not a wider fixture's."""
        return self._period is not None and self._period == self._periods.now

    def _connect(
        self, dialect: Dialect, _record: object, given: list[Any], named: dict[str, Any]
    ) -> Any:
        if not self._runs() or dialect.driver not in _DRIVERS:
            return None
        options = {
            name: named[name]
            for name in ("autocommit", "context", "row_factory", "cursor_factory")
            if name in named
        }
        words = {k: v for k, v in named.items() if k not in options and k != "prepare_threshold"}
        if not self._leads_here(given, words):
            return None
        outer = self._transaction()
        connection: Any = (AsyncJoined if dialect.is_async else Joined)(outer.link.pgconn)
        for name in ("row_factory", "cursor_factory"):
            if options.get(name) is not None:
                setattr(connection, name, options[name])
        if (context := options.get("context")) is not None:
            connection._adapters = type(connection.adapters)(context.adapters)  # noqa: SLF001
        connection.join(outer, self._number, autocommit=bool(options.get("autocommit")))
        with self._lock:
            self._holders[connection] = []
        if not dialect.is_async:
            return connection

        async def made() -> Any:
            return connection

        module: Any = dialect.loaded_dbapi
        return module.connect(async_creator_fn=made)

    def _leads_here(self, given: list[Any], named: dict[str, Any]) -> bool:
        try:
            asked = conninfo_to_dict(*given, **named)
        except (psycopg.Error, TypeError):
            return False  # the driver's own error is the better one
        hosts = {canonical(h) for h in (self._server.host, self._server.socket) if h}
        return (
            str(asked.get("port") or 5432) == str(self._server.port)
            and asked.get("dbname") == self._database
            and canonical(str(asked.get("host") or asked.get("hostaddr") or "")) in hosts
            and asked.get("user") == self._server.user
            and not asked.get("options")
        )

    def _link(self) -> psycopg.Connection[Any]:
        url = self._server.address(self._database).url("libpq")
        return psycopg.connect(url, autocommit=True)

    def _transaction(self) -> OuterTransaction:
        """Return the one of the test that runs; several threads may be the first."""
        with self._lock:
            outer = self._outer
            if outer is None or outer.link.closed or self._stale:
                if outer is not None:
                    outer.link.close()
                self._stale = False
                outer = self._outer = OuterTransaction(self._link(), self._name, self.note)
                self._pid = outer.link.info.backend_pid
            if outer.number == 0:
                self._number += 1
                outer.number = self._number
            return outer

    def _checked_out(
        self,
        connection: DBAPIConnection,
        entry: ConnectionPoolEntry,
        proxy: PoolProxiedConnection,
    ) -> None:
        driver = getattr(connection, "driver_connection", connection)
        tried: dict[Any, Any] = entry.record_info if entry.record_info is not None else {}
        if isinstance(driver, JoinedConnection):
            tried.pop(self._key, None)
            self._wait_for_the_next()
            checkout = self._checkout(connection, proxy)
            with self._lock:  # the test does not end meanwhile
                if not self._runs() or driver.left or driver.outer is not self._transaction():
                    raise DisconnectionError(_ANEW)
                driver.number, driver.fresh = driver.outer.number, False
                self._holders.setdefault(driver, []).append(checkout)
        elif self._runs() and self._is_here(driver):
            joins = isinstance(driver, psycopg.Connection | psycopg.AsyncConnection)
            if joins and tried.get(self._key) != self._period:
                # Made anew it is a joined one, unless its engine makes connections in its own way.
                tried[self._key] = self._period
                raise DisconnectionError(_ANEW)
            library = type(driver).__module__.partition(".")[0]
            site = self._checkout(connection, proxy).site
            where = f" at {site}" if site else ""
            what = f"A connection of {library} was checked out{where}"
            self.note(TestkitError("TK372", what=what))

    def _checkout(self, connection: DBAPIConnection, proxy: PoolProxiedConnection) -> Checkout:
        in_task = running_loop(connection) is not None
        return Checkout.of(proxy, in_task=in_task, period=self._periods.now, root=self._root)

    def _wait_for_the_next(self) -> None:
        """Let a thread of the application's own not fall between two tests of this mode."""
        if threading.current_thread() is not threading.main_thread():
            self._decided.wait(PATIENCE)

    def _is_here(self, driver: object) -> bool:
        with contextlib.suppress(Exception):
            place = (server_port(driver), database_name(driver))
            return place == (self._server.port, self._database)
        return False

    # --- what is left

    def _left(self, outer: OuterTransaction, period: int, *, cut_short: bool) -> list[Checkout]:
        """Return what the test of that period has not returned, although it was waited for.

        What others have is waited for as well, for as long as they go on with it: their threads
        live longer than the test. A test that was cut short returns nothing any more.
        """
        began = moved = time.monotonic()
        asked = outer.asked
        if not cut_short and self._lasting(period):
            gc.collect()
        while True:
            lasting = self._lasting(period)
            left = [each for each in lasting if self._is_of_the_test(each)]
            others = len(lasting) - len(left)
            now = time.monotonic()
            if outer.asked != asked:
                asked, moved = outer.asked, now
            waits = others and now - moved < PATIENCE and now - began < _LONGEST
            if not waits and (cut_short or not left or now - began > PATIENCE):
                return [] if cut_short else left
            time.sleep(_PAUSE)

    def _is_held_here(self, connection: Connection) -> bool:
        driver: Any = connection.connection.driver_connection
        lasting = [each for each in self._holders.get(driver, ()) if each.lasts()]
        return bool(lasting) and all(c.thread is threading.current_thread() for c in lasting)

    def _lasting(self, period: int) -> list[Checkout]:
        with self._lock:
            holders = list(self._holders.values())
        return [
            each
            for checkouts in holders
            for each in checkouts
            if each.period == period and each.lasts()
        ]

    def _name(self, owner: Hashable) -> str:
        checkouts = self._holders.get(owner) if isinstance(owner, JoinedConnection) else None
        site = checkouts[-1].site if checkouts else None
        return f"that of the connection checked out at {site}" if site else "another connection's"
