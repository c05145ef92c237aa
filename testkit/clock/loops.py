"""Event loops under the test's clock: their time, and when a timer may fire while it stands.

While loop time stands, a loop without work jumps to its next timer, and takes every standing hand
along, but only once nothing is in flight in any loop of the process, and no other waiting loop has
an earlier timer. While something is in flight, the timer waits as long as it would really have to,
at most ``patience`` seconds.
"""

from __future__ import annotations

import asyncio
import asyncio.base_events
import heapq
import sys
import threading
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from testkit.clock.hands import SECOND, real_monotonic_ns

if TYPE_CHECKING:
    from types import FrameType

    from testkit.clock.hands import Hands
    from testkit.clock.in_flight import InFlight
    from testkit.clock.patches import Patches

__all__ = ["Loops"]

_IDLE: Final = SECOND // 100  # what open sockets may cost a jump, in nanoseconds
_LOOK: Final = SECOND // 100  # what happens elsewhere is seen that often


@dataclass(slots=True)
class _Visit:
    """One ``run_for``: all timers up to ``target``, then what they set off."""

    target: int
    future: asyncio.Future[None]
    began: int
    reached: int | None = None  # when, in real time


@dataclass(slots=True)
class _Loop:
    """What is known of one loop."""

    created: dict[int, int] = field(default_factory=dict)  # id of a timer: real time
    visits: list[_Visit] = field(default_factory=list)
    waiting: bool = False

    def add(self, loop: Any, timer: Any) -> None:
        """Note when this timer was made."""
        if len(self.created) > 2 * len(loop._scheduled) + 1000:  # noqa: SLF001
            alive = {id(one) for one in loop._scheduled}  # noqa: SLF001
            self.created = {key: at for key, at in self.created.items() if key in alive}
        self.created[id(timer)] = real_monotonic_ns()


class Loops:
    """Every loop that ran while this was installed, and those found running then."""

    def __init__(self, hands: Hands, in_flight: InFlight) -> None:
        self.patience = 5 * SECOND
        self._hands = hands
        self._in_flight = in_flight
        self._loops: weakref.WeakKeyDictionary[Any, _Loop] = weakref.WeakKeyDictionary()
        self._moved = real_monotonic_ns()  # when loop time last changed while it stood
        self._active = False

    def install(self, patches: Patches) -> None:
        """Have all loops ask for the time here; find those that wait already."""
        self._active = True
        self._hands.loops_elsewhere = self._run_elsewhere
        kind = asyncio.base_events.BaseEventLoop
        run_once_code = kind._run_once.__code__  # type: ignore[attr-defined] # noqa: SLF001
        hands = self._hands

        def times(_original: Any) -> Any:
            def time(_self: Any) -> float:
                if sys._getframe(1).f_code is not run_once_code:  # noqa: SLF001 - whoever else asks
                    hands.reads["loop"] += 1
                return hands.loop_ns() / SECOND

            return time

        def runs(original: Any) -> Any:
            def _run_once(loop: Any) -> None:
                if self._active:
                    self._before(loop)
                original(loop)

            return _run_once

        def creates(original: Any) -> Any:
            def call_at(loop: Any, when: float, *arguments: Any, **named: Any) -> Any:
                timer = original(loop, when, *arguments, **named)
                self._known(loop).add(loop, timer)
                return timer

            return call_at

        for loop in _running():
            self._known(loop)
        patches.wrap(kind, "time", times)
        patches.wrap(kind, "call_at", creates)
        patches.wrap(kind, "_run_once", runs)

    def wake(self) -> None:
        """Have every loop look again at its timers: the hands were moved, stopped or started."""
        self._moved = real_monotonic_ns()
        for loop, _ in self._all():
            if not loop.is_closed():
                loop._write_to_self()  # noqa: SLF001 - as call_soon_threadsafe, without a call

    def has_timers(self) -> bool:
        """Return whether a timer waits in any loop: it reads loop time."""
        return any(
            not timer._cancelled  # noqa: SLF001
            for loop, _ in self._all()
            for timer in list(loop._scheduled)  # noqa: SLF001
        )

    async def visit(self, nanoseconds: int) -> None:
        """Let loop time, which stands, reach now + nanoseconds from timer to timer."""
        loop = asyncio.get_running_loop()
        visit = _Visit(
            self._hands.loop_ns() + nanoseconds, loop.create_future(), real_monotonic_ns()
        )
        known = self._known(loop)
        known.visits.append(visit)
        try:
            await visit.future
        finally:
            known.visits.remove(visit)

    def end(self) -> None:
        """Give the timers of loops that live on the time that they really have left."""
        self._active = False
        offset = self._hands.loop_offset_ns() / SECOND
        for loop, _ in self._all():
            if loop.is_closed():
                continue
            if loop.is_running():
                loop.call_soon_threadsafe(_set_back, loop, offset)
            else:
                _set_back(loop, offset)

    def _all(self) -> list[tuple[Any, _Loop]]:
        with self._hands.lock:
            return list(self._loops.items())

    def _known(self, loop: Any) -> _Loop:
        known = self._loops.get(loop)
        if known is None:
            with self._hands.lock:
                known = self._loops.setdefault(loop, _Loop())
        return known

    def _before(self, loop: Any) -> None:
        """Return when the loop has work, or a timer of it is due."""
        known = self._known(loop)
        began = real_monotonic_ns()
        known.waiting = True
        try:
            while "loop" in self._hands.standing and self._active:
                _drop_cancelled(loop)
                if loop._ready or loop._stopping or _selects(loop, 0):  # noqa: SLF001
                    return
                with self._hands.lock:
                    wait = self._step(loop, known, began)
                if wait is None or _selects(loop, wait):
                    return
        finally:
            known.waiting = False

    def _step(self, loop: Any, known: _Loop, began: int) -> int | None:
        """Jump, or return how long to wait for events; None: the loop may go on."""
        now = self._hands.loop_ns()
        visit = min(known.visits, key=lambda one: one.target, default=None)
        timer = loop._scheduled[0] if loop._scheduled else None  # noqa: SLF001
        if timer is not None and _when(timer) <= now:
            return None
        real = real_monotonic_ns()
        if visit is not None and visit.target <= now:
            return self._finish(loop, visit, began, real)
        if timer is None and visit is None:
            return None if not self._visits() else _LOOK
        if timer is not None and (visit is None or _when(timer) <= visit.target):
            target, created = _when(timer), known.created.get(id(timer), 0)
        elif visit is not None:
            target, created = visit.target, visit.began
        else:
            return None  # nothing to jump to
        if target > min((one.target for one in self._visits()), default=target):
            return _LOOK  # another loop's run_for ends before
        wait = self._needed(loop, target, created, began, real)
        if wait > 0:
            return min(wait, _LOOK)
        self._hands.move(target - now, self._hands.standing)
        self._moved = real
        return 0

    def _needed(self, loop: Any, target: int, created: int, began: int, real: int) -> int:
        """Return for how long this target still has to wait, in real nanoseconds."""
        if self._any_in_flight() or self._earlier_elsewhere(loop, target):
            left = min(target - self._hands.loop_ns(), self.patience)
            return max(created, self._moved) + left - real
        return self._idle(loop, began, real)

    def _finish(self, loop: Any, visit: _Visit, began: int, real: int) -> int | None:
        if visit.future.done():
            return None
        if visit.reached is None:
            visit.reached = real
        wait = (
            visit.reached + self.patience - real
            if self._any_in_flight()
            else self._idle(loop, began, real)
        )
        if wait > 0:
            return min(wait, _LOOK)
        visit.future.set_result(None)
        return None

    def _idle(self, loop: Any, began: int, real: int) -> int:
        return began + _IDLE - real if self._in_flight.has_sockets(loop) else 0

    def _any_in_flight(self) -> bool:
        return any(self._in_flight.count(loop) for loop, _ in self._all() if loop.is_running())

    def _run_elsewhere(self) -> bool:
        here = threading.get_ident()
        return any(loop._thread_id not in {None, here} for loop, _ in self._all())  # noqa: SLF001

    def _earlier_elsewhere(self, loop: Any, target: int) -> bool:
        for other, known in self._all():
            if other is loop or not known.waiting:
                continue
            timers = [one for one in list(other._scheduled) if not one._cancelled]  # noqa: SLF001
            if timers and min(map(_when, timers)) < target:
                return True
        return False

    def _visits(self) -> list[_Visit]:
        return [visit for _, known in self._all() for visit in known.visits]


def _when(timer: Any) -> int:
    return round(timer._when * SECOND)  # noqa: SLF001


def _selects(loop: Any, nanoseconds: int) -> bool:
    return bool(loop._selector.select(nanoseconds / SECOND))  # noqa: SLF001


def _drop_cancelled(loop: Any) -> None:
    # As _run_once itself does: a cancelled timer must not be jumped to.
    while loop._scheduled and loop._scheduled[0]._cancelled:
        loop._timer_cancelled_count -= 1
        heapq.heappop(loop._scheduled)._scheduled = False


def _set_back(loop: Any, seconds: float) -> None:
    # All by the same: the heap keeps its order.
    for timer in list(loop._scheduled):
        timer._when -= seconds


def _running() -> list[Any]:
    """Return the loops that run in any thread, by their frames: asyncio keeps no list."""
    code = asyncio.base_events.BaseEventLoop.run_forever.__code__
    found: list[Any] = []
    for top in sys._current_frames().values():  # noqa: SLF001 - the only way
        frame: FrameType | None = top
        while frame is not None:
            if frame.f_code is code:
                found.append(frame.f_locals.get("self"))
            frame = frame.f_back
    return [loop for loop in found if loop is not None]
