"""Values of which there are few: booleans, members of enumerations, what a CHECK lists."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from testkit.factories.fields.bounds import Bounds
from testkit.factories.fields.numeric import whole_of_integer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from testkit.factories.fields.field import Field, Plain, Unique

__all__ = ["plain_member", "unique_member"]


def plain_member(field: Field) -> Plain | None:
    """Make any of the few values; None where the constraints leave none."""
    members = _members(field)
    size = len(members)
    return (lambda random: members[int(random.random() * size)]) if members else None


def unique_member(field: Field) -> Unique | None:
    """Make each of the few values once."""
    space, members = field.space, list(dict.fromkeys(_members(field)))
    if getattr(field.type, "collation", None) or isinstance(field.type, pg.CITEXT):
        members = _different(members)
    size = len(members)
    return (lambda draws: members[draws.number(space, size)]) if members else None


def _members(field: Field) -> Sequence[object]:
    if isinstance(field.type, sa.Enum):
        return _of_enum(field.type, field)
    bounds = field.bounds
    if isinstance(field.type, sa.Boolean):
        return [value for value in (True, False) if bounds.admits(value)]
    rest = replace(bounds.with_length(getattr(field.type, "length", None)), choices=None)
    converted = [_converted(field.type, value) for value in bounds.choices or ()]
    if isinstance(field.type, sa.Integer):
        whole = whole_of_integer(field.type)
        rest = rest.merge(Bounds(low=whole.low, high=whole.high))
    return [value for value in converted if value is not None and rest.admits(value)]


def _of_enum(column_type: sa.Enum, field: Field) -> list[object]:
    """Return the members whose stored text is admitted."""
    stored: Sequence[str] = column_type.enums
    members: Sequence[object] = stored
    if column_type.enum_class is not None:
        by_name: Mapping[str, object] = column_type.enum_class.__members__
        own = list(column_type.enum_class)
        # Aliases are stored too where omit_aliases is False.
        members = own if len(own) == len(stored) else list(by_name.values())
        if column_type.values_callable is None:
            members = [by_name[name] for name in stored]
    bounds = field.bounds
    return [member for text, member in zip(stored, members, strict=True) if bounds.admits(text)]


def _different(members: Sequence[object]) -> list[object]:
    """Return one of those that are equal without regard to case."""
    return list({str(member).casefold(): member for member in members}.values())


CONVERSIONS: Final[Mapping[type, Callable[[Any], object]]] = {
    str: str,
    int: int,
    float: float,
    Decimal: lambda value: Decimal(str(value)),
    bool: bool,
    dt.date: lambda value: value if isinstance(value, dt.date) else dt.date.fromisoformat(value),
    dt.datetime: (
        lambda value: value if isinstance(value, dt.datetime) else dt.datetime.fromisoformat(value)
    ),
    dt.time: dt.time.fromisoformat,
    UUID: lambda value: UUID(str(value)),
}


def _converted(column_type: Any, value: object) -> object | None:
    """Return a listed value as the column's type has it; None where it is none of it."""
    try:
        return CONVERSIONS.get(column_type.python_type, lambda _: None)(value)
    except (NotImplementedError, ValueError, TypeError, InvalidOperation):
        return None
