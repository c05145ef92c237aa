"""Which fault strikes what. Pure: chance is given, and nothing is asked for the time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from testkit.faults.fault import Fault, Kind
    from testkit.faults.protocols.steps import Direction

__all__ = ["Conditions"]

# How a new connection is met, by the fault that does it; the first in this order decides.
_MEETING: Final[tuple[Kind, ...]] = ("reset", "reset_on_connect", "silence")


class Conditions:
    """The faults that are in force on one relay, in the order in which they were declared."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Let it be in force."""
        self._faults.append(fault)

    def remove(self, fault: Fault) -> None:
        """Let it be in force no more."""
        self._faults = [each for each in self._faults if each is not fault]

    @property
    def any(self) -> bool:
        """Return whether anything is in force."""
        return bool(self._faults)

    def all(self) -> list[Fault]:
        """Return what is in force."""
        return list(self._faults)

    def of(self, kind: Kind, direction: Direction | None = None) -> Iterator[Fault]:
        """Return what is in force of a kind, in a direction."""
        for fault in self._faults:
            condition = fault.condition
            if condition.kind == kind and (direction in condition.directions or direction is None):
                yield fault

    def first(self, kind: Kind, direction: Direction | None = None) -> Fault | None:
        """Return the first of a kind that is in force."""
        return next(self.of(kind, direction), None)

    def meeting(self) -> tuple[Literal["serve", "reset", "silence"], Fault | None]:
        """Return how a new connection is met, and by which fault; it is counted."""
        for kind in _MEETING:
            if (fault := self.first(kind)) is not None:
                fault.struck += 1
                return ("silence" if kind == "silence" else "reset"), fault
        return "serve", None

    def delay(self, direction: Direction) -> tuple[float, Fault | None]:
        """Return for how many seconds bytes are put off, all latencies together, and by which."""
        seconds, last = 0.0, None
        for fault in self.of("latency", direction):
            fault.struck += 1
            condition, last = fault.condition, fault
            spread = self._chance.uniform(-1, 1) * condition.jitter if condition.jitter else 0.0
            seconds += max(0.0, condition.seconds + spread)
        return seconds, last

    def closing(self, direction: Direction) -> tuple[float, Fault | None]:
        """Return for how many seconds the end of a stream is put off besides, and by which."""
        seconds, last = 0.0, None
        for fault in self.of("slow_close", direction):
            fault.struck += 1
            seconds, last = seconds + fault.condition.seconds, fault
        return seconds, last

    def holding(self, direction: Direction) -> Fault | None:
        """Return what holds bytes that came now, and count it."""
        fault = self.held(direction)
        if fault is not None:
            fault.struck += 1
        return fault

    def held(self, direction: Direction) -> Fault | None:
        """Return what holds all bytes of a direction."""
        return self.first("black_hole", direction)
