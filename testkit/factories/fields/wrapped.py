"""Values of types that hold another one: arrays and domains."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from testkit.factories.fields.bounds import UNBOUND
from testkit.factories.fields.checks import read_checks

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.factories.fields.field import Field, Plain, Unique

__all__ = ["plain_array", "plain_domain", "unique_array", "unique_domain"]

USUAL: int = 3


def plain_array(field: Field, compiled: Callable[[Field], Plain | None]) -> Plain | None:
    """Make 1 to 3 elements; of several dimensions, so many rows of two elements."""
    element, around = compiled(_element(field)), _nested(field)
    low = field.bounds.min_length or 1
    high = max(low, USUAL) if field.bounds.max_length is None else field.bounds.max_length
    if element is None or high < low:
        return None
    spread = high - low + 1

    def draw(random: Any) -> object:
        size = low + int(random.random() * spread)
        return around([element(random) for _ in range(size)])

    return draw


def unique_array(field: Field, compiled: Callable[[Field], Unique | None]) -> Unique | None:
    """Make arrays of one unique element, as often as a constraint asks for."""
    element, around = compiled(_element(field)), _nested(field)
    size, most = field.bounds.min_length or 1, field.bounds.max_length
    if element is None or (most is not None and most < size):
        return None
    return lambda draws: around([element(draws)] * size)


def _element(field: Field) -> Field:
    # A constraint on the array says nothing of its elements.
    return replace(field, type=_array(field).item_type, bounds=UNBOUND)


def _array(field: Field) -> Any:
    return field.type


def _nested(field: Field) -> Callable[[list[object]], object]:
    """Return what puts elements into all dimensions, as a list or as a tuple."""
    array = _array(field)
    sequence: Any = tuple if array.as_tuple else list

    def around(elements: list[object]) -> object:
        for _ in range((array.dimensions or 1) - 1):
            elements = [sequence((element, element)) for element in elements]
        outer: object = sequence(elements)
        return outer

    return around


def plain_domain(field: Field, compiled: Callable[[Field], Plain | None]) -> Plain | None:
    """Make values of the type below that hold to the domain's CHECK."""
    return compiled(_below(field))


def unique_domain(field: Field, compiled: Callable[[Field], Unique | None]) -> Unique | None:
    """Make different values of the type below that hold to the domain's CHECK."""
    return compiled(_below(field))


def _below(field: Field) -> Field:
    domain: Any = field.type
    checks = [] if domain.check is None else [str(domain.check)]
    bounds = read_checks(checks, ["value"]).get("value", UNBOUND)
    return replace(field, type=domain.data_type, bounds=field.bounds.merge(bounds))
