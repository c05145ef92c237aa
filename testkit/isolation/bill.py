"""What testkit's work cost one process of a run, in seconds and counts."""

from __future__ import annotations

import contextlib
import heapq
import threading
import time
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["COSTLIEST", "Bill", "billed"]

#: How many tests are named.
COSTLIEST: Final = 10


class Bill:
    """Adds up seconds and counts by item; safe from any thread.

    ``test`` begins and ends what undoing one test costs. The items of a process are plain data,
    which a worker of xdist may hand to its controller.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._costliest: list[tuple[float, str]] = []
        self._open: set[str] = set()
        self._before_test = 0.0

    def add(self, item: str, seconds: float, *, count: int = 1) -> None:
        """Add so much to an item."""
        with self._lock:
            self._seconds[item] = self._seconds.get(item, 0.0) + seconds
            self._counts[item] = self._counts.get(item, 0) + count

    @contextlib.contextmanager
    def timed(self, item: str, *, count: int = 1) -> Iterator[None]:
        """Add what the block takes; within itself, which only the main thread does, once."""
        if item in self._open:
            yield
            return
        self._open.add(item)
        began = time.perf_counter()
        try:
            yield
        finally:
            self._open.discard(item)
            self.add(item, time.perf_counter() - began, count=count)

    def begin_test(self) -> None:
        """Note what the item ``isolation`` has come to before a test."""
        self._before_test = self._seconds.get("isolation", 0.0)

    def finish_test(self, who: str) -> None:
        """Remember the test if its isolation was among the costliest so far."""
        cost = (self._seconds.get("isolation", 0.0) - self._before_test, who)
        if len(self._costliest) < COSTLIEST:
            heapq.heappush(self._costliest, cost)
        else:
            heapq.heappushpop(self._costliest, cost)

    def facts(self) -> dict[str, Any]:
        """Return everything as plain data."""
        with self._lock:
            return {
                "seconds": dict(self._seconds),
                "counts": dict(self._counts),
                "costliest": list(self._costliest),
            }


class _Billed(Protocol):
    bill: Bill


_P = ParamSpec("_P")
_R = TypeVar("_R")
_S = TypeVar("_S", bound=_Billed)


def billed(method: Callable[Concatenate[_S, _P], _R]) -> Callable[Concatenate[_S, _P], _R]:
    """Add what the method takes to the item ``isolation`` of its object's ``bill``."""

    @wraps(method)
    def timed(self: _S, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        with self.bill.timed("isolation", count=0):
            return method(self, *args, **kwargs)

    return timed
