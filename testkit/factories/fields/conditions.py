"""What one condition says of single columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from itertools import count, islice, product
from math import lcm
from typing import TYPE_CHECKING, Final

from testkit.factories.fields.bounds import UNBOUND, Bounds
from testkit.factories.fields.comparisons import Saying, said
from testkit.factories.fields.nodes import Column, Constant, Node, Operation

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

__all__ = ["Condition", "alternatives", "chosen", "contradicts", "together"]

MOST: Final = 64
"""Further alternatives of one condition are not looked at."""
MOST_STEPS: Final = 500
"""Nor further ones where several conditions have some."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What a condition asks of columns, by their names, and what must divide their values.

    ``whole``: it asks no more than that, so that it holds where this holds.
    """

    bounds: Mapping[str, Bounds] = field(default_factory=dict)
    divisors: Mapping[str, int] = field(default_factory=dict)
    whole: bool = True


def alternatives(node: Node, columns: Collection[str]) -> list[Condition]:
    """Return what may be asked of columns so that a condition without NOT holds.

    One of them is enough; at most ``MOST`` are looked at. Without one, it cannot be read. What an
    OR stands between is left out where it cannot be read whole.
    """
    match node:
        case Operation("and", operands):
            return _all_of([alternatives(operand, columns) for operand in operands])
        case Operation("or", operands):
            return _any_of([alternatives(operand, columns) for operand in operands])
        case Column():  # a boolean one
            node = Operation("=", (node, Constant(True)))
    saying = said(node, columns)
    return [] if saying is None else [_condition(saying)]


def _all_of(operands: list[list[Condition]]) -> list[Condition]:
    read = [operand for operand in operands if operand]
    whole = Condition(whole=len(read) == len(operands))
    return [together([whole, *ways]) for ways in islice(product(*read), MOST)] if read else []


def _any_of(operands: list[list[Condition]]) -> list[Condition]:
    if listed := _listed(operands):
        return [listed]
    return [branch for operand in operands for branch in operand if branch.whole][:MOST]


def _condition(saying: Saying) -> Condition:
    if saying.divisor is not None:
        return Condition(divisors={saying.column: saying.divisor})
    column, bounds = saying.column, saying.bounds
    return Condition(
        {column: bounds}
        | {other: Bounds(below=(column,)) for other in bounds.above}
        | {other: Bounds(above=(column,)) for other in bounds.below}
    )


def _listed(operands: list[list[Condition]]) -> Condition | None:
    """Return branches that each list values of the same column as one; None where they do not."""
    choices: tuple[object, ...] = ()
    names: set[str] = set()
    for operand in operands:
        match operand:
            case [Condition(bounds, divisors)] if len(bounds) == 1 and not divisors:
                ((name, asked),) = bounds.items()
            case _:
                return None
        if asked.choices is None or asked != Bounds(choices=asked.choices):
            return None
        names.add(name)
        choices += asked.choices
    return Condition({names.pop(): Bounds(choices=choices)}) if len(names) == 1 else None


def together(conditions: Iterable[Condition]) -> Condition:
    """Return what all conditions ask."""
    return reduce(_both, conditions, Condition())


def chosen(found: Condition, undecided: list[list[Condition]]) -> Condition | None:
    """Add one alternative of each list, the first ones that contradict nothing, if there are."""
    steps = count()

    def decide(found: Condition, rest: list[list[Condition]]) -> Condition | None:
        if not rest or next(steps) > MOST_STEPS:
            return None if rest else found
        for alternative in rest[0]:
            both = together([found, alternative])
            if not contradicts(both) and (decided := decide(both, rest[1:])) is not None:
                return decided
        return None

    return decide(found, undecided)


def _both(one: Condition, other: Condition) -> Condition:
    bounds = dict(one.bounds)
    for column, more in other.bounds.items():
        bounds[column] = bounds.get(column, UNBOUND).merge(more)
    divisors = dict(one.divisors)
    for column, divisor in other.divisors.items():
        divisors[column] = lcm(divisors.get(column, 1), divisor)
    return Condition(bounds, divisors, one.whole and other.whole)


def contradicts(condition: Condition) -> bool:
    """Say whether no value can hold to the condition, as far as that is easily seen."""
    return any(map(_is_empty, condition.bounds.values()))


def _is_empty(bounds: Bounds) -> bool:
    if bounds.choices is not None:
        return not any(bounds.admits(choice) for choice in bounds.choices)
    shortest, longest = bounds.min_length or 0, bounds.max_length
    if longest is not None and shortest > longest:
        return True
    if bounds.low is None or bounds.high is None:
        return False
    closed = Bounds(low=bounds.low, high=bounds.high)
    alone = Bounds(low=bounds.high).admits(bounds.low) and not bounds.admits(bounds.low)
    return not closed.admits(bounds.low) or alone
