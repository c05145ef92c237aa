"""Values for a ``TypeDecorator``: those that it takes on the way in, and on the way back."""

from __future__ import annotations

import datetime as dt
import enum
from dataclasses import replace
from decimal import Decimal
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import sqlalchemy as sa

from testkit.factories.fields.bounds import UNBOUND
from testkit.factories.fields.field import DIALECT, Field, Plain, Unique

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.types import TypeEngine

__all__ = ["plain_decorated", "unique_decorated"]

TRIED: Final = 8
_BY_PYTHON_TYPE: Final[dict[type, Callable[[], TypeEngine[Any]]]] = {
    str: sa.String,
    int: sa.Integer,
    float: sa.Float,
    bool: sa.Boolean,
    bytes: sa.LargeBinary,
    dict: sa.JSON,
    list: lambda: sa.ARRAY(sa.String),
    Decimal: sa.Numeric,
    dt.date: sa.Date,
    dt.datetime: lambda: sa.DateTime(timezone=True),
    dt.time: sa.Time,
    dt.timedelta: sa.Interval,
    UUID: sa.Uuid,
}
_NUMBERS: Final = (int, float, Decimal)


class _Probe:
    """Draws that nobody keeps: for values that are only tried on a decorator."""

    def __init__(self) -> None:
        self._count = count()

    def text(self, prefix: str, *, length: int | None = None, space: str = "text") -> str:
        """Return a text as long as those that tests draw."""
        return f"{prefix}-{space}-{next(self._count):011}"[-(length or 24) :].lower()

    def number(self, _space: str, size: int) -> int:
        """Return the next number."""
        return next(self._count) % size


def plain_decorated(field: Field, compiled: Callable[[Field], Plain | None]) -> Plain | None:
    """Compile for the first type whose values the decorator takes."""
    for candidate, stored in _candidates(field):
        make, random = compiled(candidate), Random(0)  # noqa: S311 - only tried
        if make and all(_bound(field, make(random), stored) is not None for _ in range(TRIED)):
            return make
    return None


def unique_decorated(field: Field, compiled: Callable[[Field], Unique | None]) -> Unique | None:
    """Compile for the first type whose values the decorator takes and does not make equal."""
    for candidate, stored in _candidates(field):
        make, probe = compiled(candidate), _Probe()
        # Two: of a boolean there are no more.
        if make and (one := _bound(field, make(probe), stored)) is not None:
            other = _bound(field, make(probe), stored)
            if other is not None and repr(one) != repr(other):
                return make
    return None


def _candidates(field: Field) -> Iterator[tuple[Field, tuple[type, ...] | None]]:
    """Give types whose values may be tried, and what the decorator must make of them.

    The second is None where the decorator is trusted.
    """
    decorator: Any = field.type
    impl = decorator.load_dialect_impl(DIALECT)
    for held in vars(decorator).values():
        if isinstance(held, type) and issubclass(held, enum.Enum):
            yield replace(field, type=sa.Enum(held), bounds=UNBOUND), None
    yield replace(field, type=impl), None
    if isinstance(impl, sa.DateTime):  # a decorator may ask for a zone, or refuse one
        yield replace(field, type=sa.DateTime(timezone=not impl.timezone)), None
    stored = _python_type(impl)
    own = _python_type(decorator)
    if own is not None and own is not stored:
        if issubclass(own, enum.Enum):
            yield replace(field, type=sa.Enum(own), bounds=UNBOUND), None
        elif own in _BY_PYTHON_TYPE:
            yield replace(field, type=_BY_PYTHON_TYPE[own]()), None
    if stored is not None and stored is not object:
        takes = _NUMBERS if stored in _NUMBERS else (stored,)
        for other in (str, dt.datetime, dict, int):
            yield replace(field, type=_BY_PYTHON_TYPE[other](), bounds=UNBOUND), takes


def _python_type(column_type: Any) -> type | None:
    try:
        python_type: type = column_type.python_type
    except NotImplementedError:
        return None
    return python_type


def _bound(field: Field, value: object, stored: tuple[type, ...] | None) -> object | None:
    """Return what the decorator sends for a value; None where it does not take it."""
    decorator: Any = field.type
    process, full = decorator.process_bind_param, decorator.bind_processor(DIALECT)
    overridden = type(decorator).process_bind_param is not sa.TypeDecorator.process_bind_param
    try:
        sent = process(value, DIALECT) if overridden else value
        if full is not None:
            full(value)
        if type(decorator).process_result_value is not sa.TypeDecorator.process_result_value:
            decorator.process_result_value(sent, DIALECT)
    except Exception:  # noqa: BLE001 - whatever a decorator of others raises, it does not take it
        return None
    if sent is None or (stored is not None and not isinstance(sent, stored)):
        return None
    measured = isinstance(sent, (str, bytes, dt.date, *_NUMBERS))
    return sent if not measured or field.bounds.admits(sent) else None
