"""The hands of a clock: what each of them shows, whether it stands, and who has looked."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

import _time_machine
import time_machine

from testkit.clock.builtin_functions import builtin_function
from testkit.clock.callers import counts, keeps_real_monotonic, keeps_real_wall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType

__all__ = ["HANDS", "SECOND", "HandName", "Hands", "real_monotonic_ns"]

HandName: TypeAlias = Literal["wall", "monotonic", "loop"]
HANDS: Final[tuple[HandName, ...]] = get_args(HandName)
SECOND: Final = 1_000_000_000

real_monotonic_ns: Final[Callable[[], int]] = builtin_function("monotonic_ns").real


class _Dial:
    """One source of nanoseconds that may be moved, or stand."""

    def __init__(self, real: Callable[[], int]) -> None:
        self._real = real
        self._offset = 0
        self._standing: int | None = None

    def now(self) -> int:
        standing = self._standing
        return self._real() + self._offset if standing is None else standing

    def move(self, nanoseconds: int) -> None:
        if self._standing is None:
            self._offset += nanoseconds
        else:
            self._standing += nanoseconds

    def stop(self, at: int | None = None) -> None:
        self._standing = self.now() if at is None else at

    def start(self) -> None:
        if self._standing is not None:
            self._offset = self._standing - self._real()
            self._standing = None

    def offset(self) -> int:
        return self.now() - self._real()


class Hands:
    """Wall, monotonic and loop time of one test, each real until it is moved or stopped.

    ``reads`` counts how often somebody looked at each; the runner's, the drivers' and the standard
    library's own looks are answered with the real time and not counted. Methods that change
    something are called under ``lock``.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.reads: dict[HandName, int] = dict.fromkeys(HANDS, 0)
        self.standing: set[HandName] = set()
        self._wall = _Dial(_real_wall_ns)
        self._monotonic = _Dial(real_monotonic_ns)
        self._performance = _Dial(builtin_function("perf_counter_ns").real)
        self._loop = _Dial(real_monotonic_ns)
        self._dials: dict[HandName, tuple[_Dial, ...]] = {
            "wall": (self._wall,),
            "monotonic": (self._monotonic, self._performance),
            "loop": (self._loop,),
        }
        self.loops_elsewhere: Callable[[], bool] = lambda: False
        self._travel: time_machine.travel | None = None
        self._traveller: time_machine.Traveller | None = None
        self._replaced: list[str] = []

    def loop_ns(self) -> int:
        """Return the event loops' time."""
        return self._loop.now()

    def loop_offset_ns(self) -> int:
        """Return by how much the event loops' time differs from the real one."""
        return self._loop.offset()

    def wall_offset_ns(self) -> int:
        """Return by how much wall time differs from the real one."""
        return self._wall.offset() if self._travel is not None else 0

    def real_wall_ns(self) -> int:
        """Return the real wall time."""
        return _real_wall_ns()

    def move(self, nanoseconds: int, names: Iterable[HandName]) -> None:
        """Move these hands by as much."""
        for name in names:
            self._engage(name)
            for dial in self._dials[name]:
                dial.move(nanoseconds)
            if name == "wall" and nanoseconds < 0 and self._traveller is not None:
                self._traveller.shift(-1)  # it forgets the last time-based UUIDs

    def stop(self, names: Iterable[HandName]) -> None:
        """Have these hands stand."""
        for name in names:
            self._engage(name)
            for dial in self._dials[name]:
                dial.stop()
            self.standing.add(name)

    def start(self, names: Iterable[HandName]) -> None:
        """Have these hands go on from where they are."""
        for name in names:
            for dial in self._dials[name]:
                dial.start()
            self.standing.discard(name)

    def set_wall(self, destination: time_machine.DestinationType) -> None:
        """Put the wall clock to an instant; its time zone, where it has one, is the process'."""
        self._engage("wall")
        if self._traveller is not None:
            self._traveller.move_to(destination)
            at = time_machine.extract_timestamp_tzname(destination)[0]
            self._wall.move(at - self._wall.now())

    def end(self) -> None:
        """Put back every function of the standard library."""
        for name in self._replaced:
            builtin_function(name).restore()
        self._replaced.clear()
        if self._travel is not None:
            travel, self._travel, self._traveller = self._travel, None, None
            travel.stop()

    def _engage(self, name: HandName) -> None:
        if name == "wall" and self._travel is None:
            self._wall.move(_travelled_ns())  # by time-machine, around this test
            self._travel = time_machine.travel(_real_wall_ns() / SECOND)
            self._traveller = self._travel.start()
            # time-machine asks its traveller; who asked decides what it is told.
            self._traveller.time_ns = self._wall_ns  # type: ignore[method-assign]
        elif name == "monotonic" and not self._replaced:
            self._replace("sleep", self._sleep)
            self._replace("monotonic", lambda: self._read(self._monotonic, "monotonic") / SECOND)
            self._replace("monotonic_ns", lambda: self._read(self._monotonic, "monotonic_ns"))
            self._replace(
                "perf_counter", lambda: self._read(self._performance, "perf_counter") / SECOND
            )
            self._replace(
                "perf_counter_ns", lambda: self._read(self._performance, "perf_counter_ns")
            )

    def _replace(self, name: str, call: Callable[..., float | None]) -> None:
        builtin_function(name).replace(call)
        self._replaced.append(name)

    def _read(self, dial: _Dial, name: str) -> int:
        # This function, the lambda, what stands for the built-in function; then who called it.
        if keeps_real_monotonic(_module_of(sys._getframe(3))):
            return real_of(name)()
        self.reads["monotonic"] += 1
        return dial.now()

    def _sleep(self, seconds: float) -> None:
        """Wait as long as it takes; hands that stand come along, or polling would never end."""
        # This function, what stands for the built-in function; then who called it.
        caller, began = sys._getframe(2), self._monotonic.now()
        builtin_function("sleep").real(seconds)
        # An event loop elsewhere goes by its own timers, which would come due too early.
        if keeps_real_monotonic(_module_of(caller)) or self.loops_elsewhere():
            return
        if "monotonic" in self.standing:
            with self.lock:
                # To there, not by as much: several threads may sleep at once.
                left = began + round(seconds * SECOND) - self._monotonic.now()
                self.move(max(left, 0), self.standing)

    def _wall_ns(self) -> int:
        if keeps_real_wall(module := _module_of(sys._getframe(1))):
            return _real_wall_ns()
        self.reads["wall"] += counts(module)
        return self._wall.now()


def real_of(name: str) -> Callable[[], int]:
    """Return the real function that answers in nanoseconds."""
    real: Callable[[], int] = builtin_function(name.removesuffix("_ns") + "_ns").real
    return real


def _module_of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _travelled_ns() -> int:
    """Return how far time-machine has travelled already."""
    try:
        real: int = _time_machine.original_time_ns()
    except ValueError:  # nobody travels
        return 0
    return time.time_ns() - real


def _real_wall_ns() -> int:
    try:
        now: int = _time_machine.original_time_ns()
    except ValueError:  # nobody travels: nothing is replaced
        now = time.time_ns()
    return now
