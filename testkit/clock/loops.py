"""Event loops under the test's clock: their time, and when a timer may fire while it stands.

While loop time stands, a loop without work jumps to its next timer, and takes every standing hand
along, but only once nothing is in flight in any loop of the process, and no other waiting loop has
an earlier timer. While something is in flight, the timer waits as long as it would really have to,
at most ``patience`` seconds.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import sys
import threading
import weakref
from asyncio import selector_events
from asyncio.base_events import BaseEventLoop
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from testkit.clock.callers import waits
from testkit.clock.hands import SECOND, real_monotonic_ns

if TYPE_CHECKING:
    from types import FrameType

    from testkit.clock.hands import Hands
    from testkit.clock.in_flight import InFlight
    from testkit.clock.patches import Patches

__all__ = ["Loops"]

_IDLE: Final = 8 * SECOND // 1000  # a jump beside open sockets costs 10 ms at most
_BLOCKED: Final = SECOND // 20  # whoever waits for a lock that long, waits for another thread
_LOOK: Final = SECOND // 100  # what happens elsewhere is seen that often
# Whoever sleeps for that long means for ever; after a jump there, no date could be told.
_FOREVER: Final = 1000 * 365 * 86_400 * SECOND


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
    busy_since: int = field(default_factory=real_monotonic_ns)

    def add(self, loop: Any, timer: Any) -> None:
        """Note when this timer was made."""
        if len(self.created) > 2 * len(loop._scheduled) + 1000:
            alive = {id(one) for one in loop._scheduled}
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
        self._reached = 0.0  # of the timers that came due, the last one's time, as it has it
        self._active = False

    def install(self, patches: Patches) -> None:
        """Have all loops ask for the time here; find those that wait already."""
        self._active = True
        self._hands.loops_elsewhere = self._run_elsewhere
        for loop in _running():
            self._known(loop)
        patches.wrap(BaseEventLoop, "time", self._times)
        patches.wrap(BaseEventLoop, "call_at", self._creates)
        patches.wrap(BaseEventLoop, "_run_once", self._runs)
        patches.wrap(selector_events.BaseSelectorEventLoop, "_process_events", self._works)

    def wake(self) -> None:
        """Have every loop look again at its timers: the hands were moved, stopped or started."""
        self._moved = real_monotonic_ns()
        for loop, _ in self._all():
            if not loop.is_closed():
                loop._write_to_self()

    def has_timers(self) -> bool:
        """Return whether a timer waits in any loop: it reads loop time."""
        return any(
            not timer._cancelled for loop, _ in self._all() for timer in list(loop._scheduled)
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

    def _times(self, _original: Any) -> Any:
        own_look = _code_of_run_once()

        def time(_loop: Any) -> float:
            # Rounded, it may be less than that of a timer that came due: time that stands would
            # never get there, and whoever sets the timer anew for the rest (anyio) would for ever.
            now = max(self._hands.loop_ns() / SECOND, self._reached)
            if sys._getframe(1).f_code is own_look:
                # It fires what is earlier than now and a nanosecond: after 194 days, that is now.
                return now + 2 * math.ulp(now)
            self._hands.reads["loop"] += 1
            return now

        return time

    def _creates(self, original: Any) -> Any:
        def call_at(loop: Any, when: float, *arguments: Any, **named: Any) -> Any:
            timer = original(loop, when, *arguments, **named)
            self._known(loop).add(loop, timer)
            return timer

        return call_at

    def _runs(self, original: Any) -> Any:
        def run_once(loop: Any) -> None:
            if self._active:
                self._before(loop)
            original(loop)

        return run_once

    def _works(self, original: Any) -> Any:
        def process_events(loop: Any, event_list: Any) -> Any:
            known = self._known(loop)
            # Not between another loop's look around and its jump.
            with self._hands.lock:
                known.waiting, known.busy_since = False, real_monotonic_ns()
            return original(loop, event_list)

        return process_events

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
        known.waiting = not loop._ready
        while "loop" in self._hands.standing and self._active:
            _drop_cancelled(loop)
            if loop._ready or loop._stopping or _selects(loop, 0):
                known.waiting = False
                return
            with self._hands.lock:
                wait = self._step(loop, known, began)
            if wait is None:
                return
            if _selects(loop, wait):
                known.waiting = False
                return

    def _step(self, loop: Any, known: _Loop, began: int) -> int | None:
        """Jump, or return how long to wait for events; None: the loop may go on."""
        now, real = self._hands.loop_ns(), real_monotonic_ns()
        visit = min(known.visits, key=lambda one: one.target, default=None)
        timer = loop._scheduled[0] if loop._scheduled else None
        if timer is not None and _when(timer) <= now:
            self._reached = max(self._reached, timer._when)
            return None
        if timer is not None and _when(timer) - now > _FOREVER:
            timer = None
        if visit is not None and visit.target <= now:
            return self._finish(loop, visit, began, real)
        if timer is not None and (visit is None or _when(timer) <= visit.target):
            target, created = _when(timer), known.created.get(id(timer), 0)
        elif visit is not None:
            target, created = visit.target, visit.began
        else:
            return None  # nothing to jump to
        # Another loop's run_for may end before, or its timer come: not even patience passes those.
        ends = [one.target for one in self._visits()]
        is_beyond = target > min([*ends, *self._timers_elsewhere(loop)], default=target)
        wait = _LOOK if is_beyond else self._needed(loop, target, created, began, real)
        if wait <= 0:
            self._hands.move(target - now, self._hands.standing)
            self._moved = real
        return min(max(wait, 0), _LOOK)

    def _needed(self, loop: Any, target: int, created: int, began: int, real: int) -> int:
        """Return for how long this target still has to wait, in real nanoseconds."""
        if self._any_in_flight() or self._works_elsewhere(loop, real):
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
        return any(loop._thread_id not in {None, here} for loop, _ in self._all())

    def _elsewhere(self, loop: Any) -> list[tuple[Any, _Loop]]:
        not_there = {None, threading.get_ident()}
        return [
            one for one in self._all() if one[0] is not loop and one[0]._thread_id not in not_there
        ]

    def _timers_elsewhere(self, loop: Any) -> list[int]:
        """Return when the timers come of the loops of other threads that wait."""
        return [
            _when(timer)
            for other, known in self._elsewhere(loop)
            if known.waiting
            for timer in list(other._scheduled)
            if not timer._cancelled
        ]

    def _works_elsewhere(self, loop: Any, real: int) -> bool:
        """Return whether another thread's loop has something to do.

        It may be about to send a request, under a timeout that it has set: unless a lock holds it
        up, and then perhaps for what is to happen here.
        """
        return any(
            bool(other._ready)
            if known.waiting
            else real - known.busy_since < _BLOCKED or not _is_held_up(other._thread_id)
            for other, known in self._elsewhere(loop)
        )

    def _visits(self) -> list[_Visit]:
        return [visit for _, known in self._all() for visit in known.visits]


def _when(timer: Any) -> int:
    when: float = timer._when
    return round(when * SECOND) if math.isfinite(when) else 2 * _FOREVER


def _selects(loop: Any, nanoseconds: int) -> bool:
    return bool(loop._selector.select(nanoseconds / SECOND))


def _drop_cancelled(loop: Any) -> None:
    # As _run_once itself does: a cancelled timer must not be jumped to.
    while loop._scheduled and loop._scheduled[0]._cancelled:
        loop._timer_cancelled_count -= 1
        heapq.heappop(loop._scheduled)._scheduled = False


def _set_back(loop: Any, seconds: float) -> None:
    # All by the same: the heap keeps its order.
    for timer in list(loop._scheduled):
        timer._when -= seconds


def _is_held_up(thread: int) -> bool:
    frame = sys._current_frames().get(thread)
    return frame is None or waits(str(frame.f_globals.get("__name__", "")))


def _code_of_run_once() -> Any:
    loop: Any = BaseEventLoop
    return loop._run_once.__code__  # before it is wrapped: time() is, first


def _running() -> list[Any]:
    """Return the loops that run in any thread, by their frames: asyncio keeps no list."""
    code = BaseEventLoop.run_forever.__code__
    found: list[Any] = []
    for top in sys._current_frames().values():
        frame: FrameType | None = top
        while frame is not None:
            if frame.f_code is code:
                found.append(frame.f_locals.get("self"))
            frame = frame.f_back
    return [loop for loop in found if loop is not None]
