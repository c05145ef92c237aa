"""The drivers' own pools: nothing of one test is handed out to the next one.

None of them takes a callback once it is made. So a pool that is followed becomes one of a subclass
of its class, in which those methods are overridden by which a connection is taken and returned. The
drivers' classes and all other pools stay as they are.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import weakref
from types import new_class
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from testkit.core.messages import TestkitError
from testkit.isolation.driver_pools import KINDS

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Collection

    from testkit.isolation.bill import Bill
    from testkit.isolation.driver_pools import Methods
    from testkit.isolation.pools import PoolWatch

__all__ = ["FollowedPools", "Loans", "Use", "methods_for"]

_LOANS: Final = "__testkit_loans__"


class Use:
    """What a ``PoolWatch`` asks of a checkout: whether it lasts.

    It keeps the connection. Else one that its user forgets would be closed by that: its place in
    the pool would be lost, and nobody would be told.
    """

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    @property
    def is_valid(self) -> bool:
        """Whether the connection was neither returned nor closed."""
        connection = self.connection
        if connection is None:
            return False
        try:
            is_closed = getattr(connection, "is_closed", None)  # asyncpg
            return not (is_closed() if is_closed is not None else connection.closed)
        except Exception:  # noqa: BLE001 - asyncpg's, where its pool ended meanwhile
            return False


class _Loan(NamedTuple):
    use: Use
    watched: Any  # what the watch knows of it, for as long as this is kept
    moment: object


class Loans:
    """Which connections of one pool are out, and whether what lies in it is of another test.

    Safe from any thread; ``lock`` is for those who empty the pool.
    """

    def __init__(self, watch: PoolWatch, bill: Bill) -> None:
        self.lock = threading.Lock()
        self._watch: PoolWatch | None = watch
        self._bill = bill
        self._emptied: object = None  # when; what was done with the pool before is not known
        self._began: float | None = None
        self._out: dict[int, _Loan] = {}  # by the id of the connection
        self._idle: weakref.WeakKeyDictionary[Any, _Loan] = weakref.WeakKeyDictionary()
        self._abandoned: list[Any] = []
        self._taken_back: weakref.WeakSet[Any] = weakref.WeakSet()

    def are_told_to(self, watch: PoolWatch) -> bool:
        """Return whether this is the watch that they are told to."""
        return self._watch is watch

    def stop(self) -> None:
        """Let the pool do as its driver made it."""
        self._watch = None

    def turn(self) -> bool:
        """Return whether the pool is to be emptied now: the first time in each period.

        Also where the database was replaced since the last time.
        """
        if self._watch is None:
            return False
        before, self._emptied = self._emptied, self._watch.moment
        if before == self._emptied:
            return False
        self._began = time.perf_counter()
        return True

    def not_emptied(self) -> None:
        """Note that what ``turn`` asked for failed."""
        self._emptied = None

    def taken(self, connection: Any, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Note that somebody has this connection now; ``loop`` is that of an asynchronous one."""
        began, self._began = self._began, None
        if began is not None:
            self._bill.add("reconnects", time.perf_counter() - began)
        if self._watch is None:
            return
        use, watched = Use(connection), None
        with contextlib.suppress(Exception):  # it may have been ended at once
            watched = self._watch.handed_out(connection, use, loop)
        self._out[id(connection)] = _Loan(use, watched, self._watch.moment)

    def returned(self, connection: Any) -> bool:
        """Note that it is returned; False where that was done for its user, who had left it."""
        loan = self._out.pop(id(connection), None)
        if loan is None:
            return connection not in self._taken_back
        loan.use.connection = None
        with _of_one_use():
            self._idle[connection] = loan
        return True

    def know(self, connection: Any) -> bool:
        """Return whether a connection that comes from the pool was out before."""
        return self._watch is None or connection in self._idle

    def outdated(self, connection: Any) -> bool:
        """Return whether a connection that comes from the pool was out before it was emptied."""
        loan = self._idle.get(connection)
        return not (loan is None or self._watch is None or loan.moment == self._watch.moment)

    def is_of_now(self, connection: Any) -> bool:
        """Return whether it was taken since the pool was emptied last."""
        loan = self._out.get(id(connection))
        return self._watch is None or (loan is not None and loan.moment == self._watch.moment)

    def abandon(self, pids: Collection[int]) -> None:
        """Note that nobody will return the connections to these backends."""
        for loan in list(self._out.values()):
            if loan.watched is not None and loan.watched.pid in pids:
                self._abandoned.append(loan.use.connection)

    def abandoned(self) -> list[Any]:
        """Return, once, what is to be returned to the pool for those who have left it."""
        left = []
        while self._abandoned:
            connection = self._abandoned.pop()
            if self._out.pop(id(connection), None) is not None:
                left.append(connection)
                with _of_one_use():
                    self._taken_back.add(connection)
        return left


class FollowedPools:
    """Pools of psycopg, psycopg2 and asyncpg, whose connections ``PoolWatch`` is told of.

    The first to take a connection in another period finds new ones, made in its own thread and
    loop as the pool makes them. What somebody holds stays his until he returns it.
    """

    def __init__(self, watch: PoolWatch, bill: Bill) -> None:
        self._watch, self._bill = watch, bill
        self._loans: weakref.WeakSet[Loans] = weakref.WeakSet()  # kept by their pools

    def follow(self, pool: Any) -> None:
        """Follow this pool, if that is not done already. Raises TK361 and TK362."""
        self._watch.know_loop()
        kind = type(pool)
        known = getattr(kind, _LOANS, None)
        if known is not None and known.are_told_to(self._watch):
            return
        methods = methods_for(pool)
        loans = Loans(self._watch, self._bill)
        named = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
        names = {**methods.overriding(kind, loans), **named, "__slots__": (), _LOANS: loans}
        pool.__class__ = new_class(kind.__name__, (kind,), exec_body=lambda own: own.update(names))
        self._loans.add(loans)

    def take_back(self, period: int) -> list[int]:
        """Answer what ``PoolWatch.kept`` does now, for a test that is over.

        What is of these pools is returned to them when they are next used: the test will not do so.
        """
        left = self._watch.kept(period, seconds=0)
        for loans in list(self._loans):
            loans.abandon(left)
        return left

    def rescue(self, period: int) -> None:
        """Take back what a test that was cut short has not returned, if any pool is followed."""
        if self._loans:
            self.take_back(period)

    def stop(self) -> None:
        """Let all pools do as their drivers made them."""
        for loans in list(self._loans):
            loans.stop()


def _of_one_use() -> contextlib.suppress:
    """Pass over what asyncpg hands out: no weak reference, and another object each time."""
    return contextlib.suppress(TypeError)


def methods_for(pool: object) -> Methods:
    """Return what makes the methods of a pool that is followed. Raises TK361 and TK362."""
    for (module, name), methods in KINDS.items():
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(pool, kind):
            missing = [each for each in methods.needs if not hasattr(kind, each)]
            if missing:
                raise TestkitError("TK362", module=module, missing=", ".join(missing))
            return methods
    kind = type(pool)
    raise TestkitError("TK361", kind=f"{kind.__module__}.{kind.__qualname__}")
