"""Values of ranges and multiranges."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.dialects import postgresql as pg

from testkit.factories.fields.times import EPOCH, FIRST_DAY, UTC_EPOCH

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.factories.fields.field import Field, Plain, Unique

__all__ = ["plain_range", "unique_range"]

LONGEST: Final = 10

# What a whole number is in a range of that type, and how many of them there are.
_ENDS: Final[dict[type, tuple[Callable[[int], object], int]]] = {
    pg.INT4RANGE: (int, 2**31 - 2),
    pg.INT8RANGE: (int, 2**62),
    pg.NUMRANGE: (Decimal, 2**62),
    pg.DATERANGE: (lambda days: FIRST_DAY + dt.timedelta(days), 70_000),
    pg.TSRANGE: (lambda hours: EPOCH + dt.timedelta(hours=hours), 1_600_000),
    pg.TSTZRANGE: (lambda hours: UTC_EPOCH + dt.timedelta(hours=hours), 1_600_000),
}
_SINGLE: Final[dict[type, type]] = {
    pg.INT4MULTIRANGE: pg.INT4RANGE,
    pg.INT8MULTIRANGE: pg.INT8RANGE,
    pg.NUMMULTIRANGE: pg.NUMRANGE,
    pg.DATEMULTIRANGE: pg.DATERANGE,
    pg.TSMULTIRANGE: pg.TSRANGE,
    pg.TSTZMULTIRANGE: pg.TSTZRANGE,
}
USUAL: Final = 8000
"""The first end of a plain range is one of so many: for days, within the years to 2021."""


def _ends(field: Field) -> tuple[Callable[[int], object], int, Callable[[Any], object]] | None:
    """Return what an end is, how many there are, and what is put around the range."""
    for kind in type(field.type).__mro__:
        if single := _SINGLE.get(kind):
            return (*_ENDS[single], _multirange)
        if kind in _ENDS:
            return (*_ENDS[kind], lambda span: span)
    return None


def _multirange(span: Any) -> object:
    # SQLAlchemy before 2.0.26 has lists alone.
    return getattr(pg.ranges, "MultiRange", list)([span])


def plain_range(field: Field) -> Plain | None:
    """Make ranges of 1 to 10 numbers, days or hours."""
    known = _ends(field)
    if known is None:
        return None
    end, _, around = known

    def draw(random: Any) -> object:
        low = int(random.random() * USUAL)
        return around(pg.Range(end(low), end(low + 1 + int(random.random() * LONGEST))))

    return draw


def unique_range(field: Field) -> Unique | None:
    """Make ranges of one number, day or hour, of which no two overlap."""
    known = _ends(field)
    if known is None:
        return None
    (end, size, around), space = known, field.space

    def draw(draws: Any) -> object:
        low = draws.number(space, size)
        return around(pg.Range(end(low), end(low + 1)))

    return draw
