"""What a column's values must hold to, beyond their type."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from testkit.factories.fields.several_patterns import both_patterns, matches

__all__ = ["UNBOUND", "Bound", "Bounds"]

Bound = int | Decimal | dt.date | dt.datetime


@dataclass(frozen=True, slots=True)
class Bounds:
    """The values that the readable constraints of one column admit.

    ``low`` and ``high`` are inclusive, unless ``low_open`` or ``high_open`` says otherwise.
    ``choices`` are all values that there are; ``excluded`` those that are not admitted. Lengths are
    those of texts, bytes or arrays. ``pattern`` is a regular expression that is searched for.
    ``required``: the column is not NULL. ``above`` and ``below`` name columns of the same row that
    the value must be greater, or less, than.
    """

    low: Bound | None = None
    high: Bound | None = None
    low_open: bool = False
    high_open: bool = False
    choices: tuple[object, ...] | None = None
    excluded: tuple[object, ...] = ()
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    required: bool = False
    above: tuple[str, ...] = ()
    below: tuple[str, ...] = ()

    def merge(self, other: Bounds) -> Bounds:
        """Return bounds that admit what both admit."""
        low, low_open = _tighter(
            (self.low, self.low_open), (other.low, other.low_open), upper=False
        )
        high, high_open = _tighter(
            (self.high, self.high_open), (other.high, other.high_open), upper=True
        )
        return Bounds(
            low=low,
            high=high,
            low_open=low_open,
            high_open=high_open,
            choices=_shared(self.choices, other.choices),
            excluded=_joined(self.excluded, other.excluded),
            min_length=_largest(self.min_length, other.min_length),
            max_length=_smallest(self.max_length, other.max_length),
            pattern=both_patterns(self.pattern, other.pattern),
            required=self.required or other.required,
            above=_joined(self.above, other.above),
            below=_joined(self.below, other.below),
        )

    def admits(self, value: object) -> bool:
        """Say whether a value holds to all of it but the comparisons with other columns."""
        return (
            (self.choices is None or value in self.choices)
            and value not in self.excluded
            and self._admits_size(value)
            and self._admits_length(value)
            and (self.pattern is None or matches(self.pattern, value))
        )

    def _admits_size(self, value: object) -> bool:
        low, high, size = _comparable(self.low), _comparable(self.high), _comparable(value)
        try:
            return (low is None or size > low or (size == low and not self.low_open)) and (
                high is None or size < high or (size == high and not self.high_open)
            )
        except TypeError:  # such as a text with a number
            return False

    def _admits_length(self, value: Any) -> bool:
        if self.min_length is None and self.max_length is None:
            return True
        try:
            size = len(value)
        except TypeError:
            return False
        return (self.min_length is None or size >= self.min_length) and (
            self.max_length is None or size <= self.max_length
        )

    def with_length(self, length: int | None) -> Bounds:
        """Return these bounds for a type of at most ``length``."""
        return replace(self, max_length=_smallest(self.max_length, length))


UNBOUND: Final = Bounds()


def _tighter(one: tuple[Any, bool], other: tuple[Any, bool], *, upper: bool) -> tuple[Any, bool]:
    """Return the bound that admits less; each comes with whether it is open."""
    if one[0] is None or other[0] is None:
        return other if one[0] is None else one
    mine, yours = _comparable(one[0]), _comparable(other[0])
    if mine == yours:
        return one[0], one[1] or other[1]
    try:
        return one if (mine < yours) == upper else other
    except TypeError:  # of different kinds, which no column has
        return one


def _comparable(value: Any) -> Any:
    """Return dates as moments, those without a zone by UTC, so that they compare."""
    if isinstance(value, dt.datetime):
        return value if value.tzinfo else value.replace(tzinfo=dt.UTC)
    if isinstance(value, dt.date):
        return dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC)
    return value


def _shared(
    one: tuple[object, ...] | None, other: tuple[object, ...] | None
) -> tuple[object, ...] | None:
    if one is None or other is None:
        return other if one is None else one
    return tuple(value for value in one if value in other)


def _joined(one: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[Any, ...]:
    return one + tuple(value for value in other if value not in one)


def _largest(one: int | None, other: int | None) -> int | None:
    return max((size for size in (one, other) if size is not None), default=None)


def _smallest(one: int | None, other: int | None) -> int | None:
    return min((size for size in (one, other) if size is not None), default=None)
