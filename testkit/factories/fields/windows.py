"""Whole numbers between two bounds, which most values are made of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from fractions import Fraction
    from random import Random

    from testkit.factories.fields.bounds import Bounds
    from testkit.factories.fields.field import Draws

__all__ = ["MOST", "Window", "bounded", "usual"]

MOST: Final = 2**62
"""So many values are enough of any space."""
EXACT: Final = 2**53
"""How many values ``Random.random`` can tell apart."""


@dataclass(frozen=True, slots=True)
class Window:
    """The numbers from ``low`` to ``high``, both included, without those of ``holes``."""

    low: int
    high: int
    holes: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """How many numbers there are, holes counted; 0 where there is none."""
        return max(0, self.high - self.low + 1)

    def within(self, low: int | None, high: int | None) -> Window:
        """Return the part of it that lies between two bounds."""
        return Window(
            self.low if low is None else max(self.low, low),
            self.high if high is None else min(self.high, high),
            self.holes,
        )

    def without(self, holes: Collection[int]) -> Window:
        """Return it with holes; those at its ends and outside do not count."""
        low, high, left = (
            self.low,
            self.high,
            {hole for hole in holes if self.low <= hole <= self.high},
        )
        while low in left:
            low += 1
        while high in left:
            high -= 1
        return Window(low, high, tuple(sorted(hole for hole in left if low < hole < high)))

    def part(self, bounds: Bounds) -> Window:
        """Return the part for a column that is compared with others of its row.

        What must be less than another has the lower third, what must be greater the upper one.
        """
        third = self.size // 3
        if not third or not (bounds.above or bounds.below):
            return self
        low = self.low + third if bounds.above and bounds.below else self.low
        low = self.low + 2 * third if bounds.above and not bounds.below else low
        return Window(
            low, self.high if bounds.above and not bounds.below else low + third - 1
        ).without(self.holes)

    def plain(self) -> Callable[[Random], int] | None:
        """Return what draws any of the numbers; None where there is none."""
        low, size, holes = self.low, self.size, frozenset(self.holes)
        if size <= len(holes):
            return None
        if size >= EXACT:
            return lambda random: low + random.randrange(size)
        if not holes:
            return lambda random: low + int(random.random() * size)

        def draw(random: Random) -> int:
            while (number := low + int(random.random() * size)) in holes:
                pass
            return number

        return draw

    def unique(self, space: str) -> Callable[[Draws], int] | None:
        """Return what draws each of the numbers once; None where there is none."""
        low, holes = self.low, self.holes
        size = min(self.size - len(holes), MOST)
        if size <= 0:
            return None
        if not holes:
            return lambda draws: low + draws.number(space, size)

        def draw(draws: Draws) -> int:
            number = low + draws.number(space, size)
            for hole in holes:  # in order: each one that was passed moves the number on
                number += number >= hole
            return number

        return draw


def usual(whole: Window, bounds: Window, habit: Window) -> Window:
    """Return what a reader expects where the bounds admit it, else numbers beside a bound.

    ``bounds`` is the part of ``whole`` that the constraints admit.
    """
    inside = bounds.within(habit.low, habit.high)
    if inside.size:
        return inside
    span = habit.size - 1
    if bounds.low > whole.low:
        return bounds.within(None, bounds.low + span)
    return bounds.within(bounds.high - span, None)


def bounded(whole: Window, bounds: Bounds, steps: Callable[[Any], Fraction | None]) -> Window:
    """Return the part of the numbers that the bounds admit.

    ``steps`` says where among the numbers a bound lies; None where it is of another kind.
    """
    low = None if bounds.low is None else steps(bounds.low)
    high = None if bounds.high is None else steps(bounds.high)
    holes = [steps(value) for value in bounds.excluded]
    return whole.within(
        None if low is None else math.floor(low) + 1 if bounds.low_open else math.ceil(low),
        None if high is None else math.ceil(high) - 1 if bounds.high_open else math.floor(high),
    ).without({int(hole) for hole in holes if hole is not None and hole.denominator == 1})
