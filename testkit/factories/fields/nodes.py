"""The trees that SQL conditions are read into, and what casts and sums make of them."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

__all__ = [
    "Call",
    "Column",
    "Constant",
    "Many",
    "Node",
    "Now",
    "Operation",
    "Unread",
    "calculated",
    "cast",
    "number",
    "read_date",
]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table; names before it are dropped."""

    name: str


@dataclass(frozen=True, slots=True)
class Constant:
    """A number, text, date, truth value or NULL (None)."""

    value: Any


@dataclass(frozen=True, slots=True)
class Now:
    """The time of the statement, or its day."""


@dataclass(frozen=True, slots=True)
class Many:
    """A list of values."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A function and what it is given."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator in lower case, and what it stands between."""

    sign: str
    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Unread:
    """Something whose value is not known here."""


Node = Column | Constant | Now | Many | Call | Operation | Unread
MOST_DIGITS: Final = 200
_NUMERIC: Final = frozenset(
    {"numeric", "decimal", "integer", "int", "int2", "int4", "int8", "bigint", "smallint", "real"}
    | {"double", "float", "float4", "float8"}
)
_TEXTS: Final = frozenset({"text", "character", "varchar", "char", "bpchar", "citext", "name"})
_DATES: Final = frozenset({"date", "timestamp", "timestamptz"})
# A cast to one of these does not change what is compared.
_SEE_THROUGH: Final = _TEXTS | _DATES | {"numeric", "decimal", "double"}


def number(written: str) -> Node:
    """Return the value of a number that is written out; no column has one of hundreds of digits."""
    try:
        value = Decimal(written)
    except InvalidOperation:
        return Unread()
    if not value.is_finite() or abs(value.adjusted()) > MOST_DIGITS:
        return Unread()
    return Constant(int(value) if value == value.to_integral_value() else value)


def calculated(sign: str, left: Node, right: Node) -> Node:
    """Calculate with numbers that are written out; leave the rest as it is."""
    if isinstance(left, Constant) and isinstance(right, Constant):
        one, other = left.value, right.value
        numbers = all(isinstance(value, (int, Decimal)) for value in (one, other))
        if numbers and sign in {"+", "-", "*"}:
            return Constant(
                one + other if sign == "+" else one - other if sign == "-" else one * other
            )
        return Unread()
    return Operation(sign, (left, right))


def cast(node: Node, type_name: str) -> Node:
    """Return what a cast makes of a node, where that is known."""
    if isinstance(node, Constant) and isinstance(node.value, str):
        return _cast_text(node.value, type_name)
    if isinstance(node, (Constant, Many)):
        return node
    return node if type_name.removesuffix("[]") in _SEE_THROUGH else Unread()


def _cast_text(text: str, type_name: str) -> Node:
    if type_name.endswith("[]"):
        return _array(text)
    if type_name in _NUMERIC:
        return number(text)
    if type_name in _DATES:
        return Constant(read_date(text) or text)
    if type_name in {"boolean", "bool"}:
        return Constant(text.lower() in {"t", "true", "yes", "on", "1"})
    return Unread() if type_name == "interval" else Constant(text)


def _array(written: str) -> Node:
    """Read an array that is written as one text, if nothing in it is quoted."""
    inside = written.strip()
    if not (inside.startswith("{") and inside.endswith("}")) or any(
        char in inside[1:-1] for char in '{}"\\'
    ):
        return Unread()
    return Many(tuple(Constant(item.strip()) for item in inside[1:-1].split(",")))


def read_date(written: str) -> dt.date | None:
    """Return a day or a moment that is written as ISO 8601 has it."""
    with suppress(ValueError):
        return dt.date.fromisoformat(written)
    with suppress(ValueError):
        return dt.datetime.fromisoformat(written)
    return None
