"""The application's SQLAlchemy pools: nothing of one test is handed out to the next one."""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
import time
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import Pool, StaticPool

from testkit.isolation.bill import Bill
from testkit.isolation.checkouts import Checkout, close_sessions
from testkit.isolation.connections import (
    backend_pid,
    is_joined,
    overhear,
    running_loop,
    server_port,
    usable_here,
)
from testkit.isolation.followed_pools import FollowedPools
from testkit.isolation.loops import LoopEnds, cut_off
from testkit.isolation.patience import PATIENCE
from testkit.isolation.session_state import SessionState

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Collection, Iterable

    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

    from testkit.core.current import Periods
    from testkit.isolation.followed_pools import Use

__all__ = ["PoolWatch"]


_LEFT: Final = "what is not of this test may be left in the session"
_PAUSE: Final = 0.005  # seconds between two looks at a checkout that was not returned


@dataclass(slots=True, weakref_slot=True)
class _Watched:
    """What is known of a pooled connection to the watched server."""

    entry: weakref.ref[ConnectionPoolEntry | Use]
    pid: int
    loop: asyncio.AbstractEventLoop | None
    generation: int
    #: What its makers run, until it is handed out for the first time.
    names: Callable[[], set[str]]
    period: int | None = None
    state: SessionState | None = None
    exchange: bool = False
    # More than one only with StaticPool.
    holders: list[Checkout] = field(default_factory=list)

    def held(self) -> bool:
        """Return whether somebody has it checked out."""
        self.holders = [each for each in self.holders if each.lasts()]
        return bool(self.holders)


class PoolWatch:
    """Follows every pool of the process, sync and async.

    At its first checkout in another of the ``periods`` a pooled connection to the watched server is
    put back to what it was when it was made; where that is not known or cannot be done, or the
    database was replaced since, it is exchanged. Both happen in the checkout's own thread and loop.
    A connection that somebody holds is left alone, and so are those to other servers. Nothing is
    raised into the application.
    """

    def __init__(
        self, port: int, periods: Periods, bill: Bill | None = None, root: str = ""
    ) -> None:
        """Sites below ``root``, which ends with a slash, are told relative to it."""
        self._port, self._periods, self._root = port, periods, root
        self._bill = bill or Bill()
        #: The drivers' own pools, which have to be named.
        self.followed = FollowedPools(self, self._bill)
        self._generation = 0
        self._loops: dict[int, asyncio.AbstractEventLoop] = {}
        self._more_loops: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()
        self._ends = LoopEnds(self._idle_in)
        # What was there before the test: threads, and the tasks of each loop that was known.
        self._threads: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
        self._before: dict[asyncio.AbstractEventLoop, weakref.WeakSet[asyncio.Task[Any]]] = {}
        # Pools that outlive a test. What a connection was at first is asked for in these only.
        self._lasting: weakref.WeakSet[object] = weakref.WeakSet()
        # Kept by the pool's entry: gone with the connection.
        self._watched: weakref.WeakValueDictionary[int, _Watched] = weakref.WeakValueDictionary()
        # What is being made anew, since when.
        self._exchanging: weakref.WeakKeyDictionary[ConnectionPoolEntry, float]
        self._exchanging = weakref.WeakKeyDictionary()
        # One process may hold several watches, each with facts of its own.
        self._key = f"testkit watch {id(self)}"

    def start(self) -> None:
        """Listen to all pools, also to those that exist already."""
        event.listen(Pool, "connect", self._connected)
        # First: what the application sets at a checkout is set on a clean connection.
        event.listen(Pool, "checkout", self._checked_out, insert=True)

    def stop(self) -> None:
        """Stop listening."""
        event.remove(Pool, "connect", self._connected)
        event.remove(Pool, "checkout", self._checked_out)
        self.followed.stop()

    def replaced(self) -> None:
        """Note that the database was replaced: every connection made so far is dead."""
        self._generation += 1

    @property
    def moment(self) -> tuple[int, int]:
        """What has changed since then must not be handed out any more."""
        return self._periods.now, self._generation

    def know_loop(self) -> None:
        """Note the loop that runs now: connections will be handed out in it."""
        with contextlib.suppress(RuntimeError):
            self._more_loops.add(sys.modules["asyncio"].get_running_loop())

    def handed_out(self, connection: Any, use: Use, loop: asyncio.AbstractEventLoop | None) -> Any:
        """Note that a driver's own pool handed out a connection, until ``use`` is over.

        It is known for as long as the answer is kept: None for a connection to another server.
        """
        if server_port(connection) != self._port:
            return None
        pid, (period, generation) = backend_pid(connection), self.moment
        watched = _Watched(weakref.ref(use), pid, loop, generation, set, period)
        watched.holders.append(self._checkout(use, in_task=loop is not None))
        self._watched[pid] = watched
        if loop is not None:
            self._loops[pid] = loop
        return watched

    def _checkout(self, holder: PoolProxiedConnection | Use, *, in_task: bool) -> Checkout:
        return Checkout.of(holder, in_task=in_task, period=self._periods.now, root=self._root)

    def withdraw(self, pids: Iterable[int]) -> list[int]:
        """Return which of these backends belong to connections that lie in a pool.

        They are not handed out any more: the caller may end them. Connections that held more than
        settings when they were made are left out.
        """
        known = (self._watched.get(pid) for pid in pids)
        return [each.pid for each in known if each is not None and self._withdraw(each)]

    def note_others(self) -> None:
        """Note which threads and tasks there are: what they hold is not the test's.

        Before a test, and behind the set-up of a fixture wider than it.
        """
        self._threads = weakref.WeakSet(threading.enumerate())
        self._threads.discard(threading.current_thread())  # the test's own
        self._before = {
            loop: weakref.WeakSet(_tasks(loop))
            for loop in {*self._loops.values(), *self._more_loops}
            if not loop.is_closed()
        }

    def others(self) -> set[int]:
        """Return the backends of connections that others than the test hold.

        Those whose event loop has tasks, but does not run now, are others' as well, unless a task
        of the running test holds them: nothing will run it any more.
        """
        self._loops = {pid: loop for pid, loop in self._loops.items() if not loop.is_closed()}
        not_its_own = {
            each.pid
            for each in list(self._watched.values())
            if each.held() and not any(map(self.is_of_the_test, each.holders))
        }
        return not_its_own | {
            pid
            for pid, loop in self._loops.items()
            if not loop.is_running() and _tasks(loop) and not self._is_left_in(pid, loop)
        }

    def held_elsewhere(self) -> set[int]:
        """Return the backends that another thread holds, or a task that has not ended."""
        return {
            each.pid
            for each in list(self._watched.values())
            if each.held() and all(holder.goes_on() for holder in each.holders)
        }

    def kept(self, period: int, *, seconds: float) -> list[int]:
        """Return the backends checked out in that period and not returned to their pool.

        They get so many ``seconds``, and the garbage collector its chance. Left out are those that
        nothing can go on with while we wait.
        """
        deadline = time.monotonic() + seconds
        if self._out(period):
            gc.collect()
        while (out := self._out(period)) and time.monotonic() < deadline:
            time.sleep(_PAUSE)
        return sorted(out - self.others()) if out else []

    def left_by(self, period: int, *, cut_short: bool) -> list[int]:
        """Return what that test has ``kept`` for too long, nothing where it was cut short."""
        if not cut_short:
            return self.kept(period, seconds=PATIENCE)
        self.followed.rescue(period)
        return []

    def origin(self, pid: int) -> str:
        """Return, for a message, where that backend's connection was checked out."""
        watched = self._watched.get(pid)
        held = watched is not None and watched.held() and watched.holders[-1]
        return f"\n    {held}" if held else ""

    def close_sessions(self, pids: Collection[int]) -> None:
        """Close the ORM's sessions of this thread that hold one of these backends."""
        close_sessions(lambda connection: self._is_held_here(connection, pids))

    def _is_held_here(self, connection: Connection, pids: Collection[int]) -> bool:
        watched = self._watched.get(backend_pid(connection.connection.dbapi_connection))
        return (
            watched is not None
            and watched.pid in pids
            and watched.held()
            and all(each.thread is threading.current_thread() for each in watched.holders)
        )

    def _out(self, period: int) -> set[int]:
        return {
            each.pid
            for each in list(self._watched.values())
            if each.held()
            and any(h.period == period and self.is_of_the_test(h) for h in each.holders)
        }

    def is_of_the_test(self, checkout: Checkout) -> bool:
        """Return whether the thread or task that checked it out was not there before the test."""
        task = checkout.task() if checkout.task is not None else None
        if task is not None and (before := self._before.get(task.get_loop())) is not None:
            return task not in before
        return checkout.thread not in self._threads

    def _is_left_in(self, pid: int, loop: asyncio.AbstractEventLoop) -> bool:
        """Return whether a task of the test holds that connection of a loop known before it."""
        watched = self._watched.get(pid)
        return (
            loop in self._before
            and watched is not None
            and watched.held()
            and any(h.task is not None and self.is_of_the_test(h) for h in watched.holders)
        )

    def _idle_in(self, loop: asyncio.AbstractEventLoop) -> list[Any]:
        """Withdraw what was made in that loop and is of no use in another; answer the drivers'."""
        found = []
        for each in list(self._watched.values()):
            entry = each.entry()
            connection = getattr(entry, "dbapi_connection", None)
            if connection is None or each.loop is not loop or each.held():
                continue
            if not usable_here(connection, None):
                each.exchange = True
                found.append(connection.driver_connection)
        return found

    def _withdraw(self, watched: _Watched) -> bool:
        entry = watched.entry()
        if getattr(entry, "dbapi_connection", entry) is None:
            return False
        if watched.generation != self._generation or (watched.state and not watched.state.plain):
            return False
        # In this order, and a checkout does the reverse: it sees one or we see the other.
        watched.exchange = True
        watched.exchange = not watched.held()
        return watched.exchange

    def _connected(self, connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
        began = self._exchanging.pop(entry, None)
        if began is not None:
            self._bill.add("reconnects", time.perf_counter() - began)
        entry.info[self._key] = watched = None
        # The server, or the application, may have ended it at once.
        with contextlib.suppress(Exception):
            if server_port(connection) == self._port and not is_joined(connection):
                pid, loop = backend_pid(connection), running_loop(connection)
                watched = _Watched(
                    weakref.ref(entry), pid, loop, self._generation, overhear(connection)
                )
                entry.info[self._key] = self._watched[pid] = watched
                if loop is not None:
                    self._loops[pid] = loop
                    if not usable_here(connection, None):
                        self._ends.follow(connection, loop)

    def _checked_out(
        self,
        connection: DBAPIConnection,
        entry: ConnectionPoolEntry,
        proxy: PoolProxiedConnection,
    ) -> None:
        pool: object = getattr(proxy, "_pool", self)  # no public name; else all are one
        if self._key not in entry.info:
            self._found(connection, entry, pool)
        watched: _Watched | None = entry.info[self._key]
        if watched is None:
            return
        shared = watched.held()
        watched.holders.append(self._checkout(proxy, in_task=running_loop(connection) is not None))
        if watched.generation != self._generation:
            raise self._exchanged(entry, "the database was replaced by testkit")
        if watched.exchange:
            raise self._exchanged(entry, _LEFT)
        if shared:
            return
        if not usable_here(connection, watched.loop):
            cut_off(connection.driver_connection, watched.loop)
            raise self._exchanged(entry, "the connection was made in another event loop")
        if watched.period == self._periods.now:
            return
        if watched.period is None:
            watched.state = _state_of(connection, watched, asks=pool in self._lasting)
        elif watched.state is None or not self._put_back(connection, watched.state):
            self._lasting.add(pool)
            raise self._exchanged(entry, _LEFT)
        watched.period = self._periods.now

    def _found(self, connection: DBAPIConnection, entry: ConnectionPoolEntry, pool: object) -> None:
        """Exchange a connection that was made before the watch began.

        Except where somebody may hold it besides.
        """
        entry.info[self._key] = None
        with contextlib.suppress(Exception):
            if server_port(connection) != self._port:
                return
        if not isinstance(pool, StaticPool):
            self._lasting.add(pool)
            raise self._exchanged(entry, _LEFT)

    def _exchanged(self, entry: ConnectionPoolEntry, why: str) -> DisconnectionError:
        """Return what makes the pool connect anew, and bill the time until it has."""
        self._exchanging[entry] = time.perf_counter()
        return DisconnectionError(why)

    def _put_back(self, connection: DBAPIConnection, state: SessionState) -> bool:
        began = time.perf_counter()
        try:
            return state.put_back(connection)
        except Exception:  # noqa: BLE001 - a connection that cannot be used is exchanged
            return False
        finally:
            self._bill.add("sessions put back", time.perf_counter() - began)


def _state_of(connection: DBAPIConnection, watched: _Watched, *, asks: bool) -> SessionState | None:
    """Return what the connection is when it is handed out first, None where nobody can tell."""
    try:
        names = watched.names()
        return SessionState.of(connection, names) if asks else None
    except Exception:  # noqa: BLE001 - the application meets it at its own first statement
        return None


def _tasks(loop: asyncio.AbstractEventLoop) -> set[asyncio.Task[Any]]:
    """Return who is there that may go on with a connection."""
    tasks: set[asyncio.Task[Any]] = sys.modules["asyncio"].all_tasks(loop)
    return tasks
