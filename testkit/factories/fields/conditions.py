"""What one condition says of single columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING

from testkit.factories.fields.bounds import UNBOUND, Bounds
from testkit.factories.fields.comparisons import Saying, said
from testkit.factories.fields.nodes import Column, Constant, Node, Operation

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

__all__ = ["Condition", "branches", "contradicts", "read_condition", "together"]


@dataclass(frozen=True, slots=True)
class Condition:
    """What a condition asks of columns, by their names, and what must divide their values.

    ``whole``: it asks no more than that, so that it holds where this holds.
    """

    bounds: Mapping[str, Bounds] = field(default_factory=dict)
    divisors: Mapping[str, int] = field(default_factory=dict)
    whole: bool = True


def read_condition(node: Node, columns: Collection[str]) -> Condition | None:
    """Read a condition without NOT; None where nothing of it can be read.

    Of several branches the first is taken that can be read whole.
    """
    match node:
        case Operation("and", operands):
            return together(read_condition(operand, columns) for operand in operands)
        case Operation("or", _):
            return next(iter(branches(node, columns)), None)
        case Column():  # a boolean one
            node = Operation("=", (node, Constant(True)))
    saying = said(node, columns)
    return None if saying is None else _condition(saying)


def _condition(saying: Saying) -> Condition:
    if saying.divisor is not None:
        return Condition(divisors={saying.column: saying.divisor})
    column, bounds = saying.column, saying.bounds
    return Condition(
        {column: bounds}
        | {other: Bounds(below=(column,)) for other in bounds.above}
        | {other: Bounds(above=(column,)) for other in bounds.below}
    )


def branches(node: Node, columns: Collection[str]) -> list[Condition]:
    """Return the branches of an OR of which one may be taken: those that are read whole.

    Branches that only list values of one column are one.
    """
    if not (isinstance(node, Operation) and node.sign == "or"):
        return []
    read = [read_condition(operand, columns) for operand in node.operands]
    whole = [condition for condition in read if condition and condition.whole]
    if len(whole) == len(read) and (listed := _listed(whole)):
        return [listed]
    return whole


def _listed(conditions: list[Condition]) -> Condition | None:
    names = {name for condition in conditions for name in condition.bounds}
    lists = [next(iter(condition.bounds.values()), UNBOUND).choices for condition in conditions]
    choices = tuple(choice for listed in lists if listed is not None for choice in listed)
    alone = [{name: Bounds(choices=listed)} for listed in lists for name in names]
    if len(names) != 1 or alone != [dict(condition.bounds) for condition in conditions]:
        return None
    return Condition({names.pop(): Bounds(choices=choices)}) if None not in lists else None


def together(conditions: Iterable[Condition | None]) -> Condition | None:
    """Return what all conditions ask; None where none of them could be read."""
    given = list(conditions)
    read = [condition for condition in given if condition is not None]
    if not read:
        return None
    return reduce(_both, read, Condition(whole=len(read) == len(given)))


def _both(one: Condition, other: Condition) -> Condition:
    bounds = dict(one.bounds)
    for column, more in other.bounds.items():
        bounds[column] = bounds.get(column, UNBOUND).merge(more)
    divisors = {**one.divisors, **other.divisors}
    return Condition(bounds, divisors, one.whole and other.whole)


def contradicts(condition: Condition) -> bool:
    """Say whether no value can hold to the condition, as far as that is easily seen."""
    return any(map(_is_empty, condition.bounds.values()))


def _is_empty(bounds: Bounds) -> bool:
    if bounds.choices is not None:
        return not any(bounds.admits(choice) for choice in bounds.choices)
    ends = [end for end in (bounds.low, bounds.high) if end is not None]
    shortest, longest = bounds.min_length or 0, bounds.max_length
    return not all(map(Bounds(low=bounds.low, high=bounds.high).admits, ends)) or (
        longest is not None and shortest > longest
    )
