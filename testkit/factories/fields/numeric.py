"""Values of numeric types."""

from __future__ import annotations

import math
from decimal import Context, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from testkit.factories.fields.windows import Window, bounded, usual

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.factories.fields.field import Field, Plain, Source, Unique

__all__ = [
    "plain_float",
    "plain_integer",
    "plain_money",
    "plain_numeric",
    "unique_float",
    "unique_integer",
    "unique_money",
    "unique_numeric",
    "whole_of_integer",
]

WIDE: Final = Context(prec=1000)
"""All digits that a column can keep; a project's own context may round."""
USUAL: Final = Window(1, 1000)
HABITS: Final = {
    "age": Window(18, 90),
    "year": Window(1990, 2025),
    "month": Window(1, 12),
    "day": Window(1, 28),
    "hour": Window(0, 23),
    "minute": Window(0, 59),
    "percent": Window(0, 100),
    "percentage": Window(0, 100),
    "rating": Window(1, 5),
    "quantity": Window(1, 10),
    "port": Window(1024, 65535),
    "latitude": Window(-89, 89),
    "longitude": Window(-179, 179),
}
DIGITS_OF_REAL: Final = 24
"""Bits of a single precision number's mantissa; ``DIGITS_OF_DOUBLE`` of a double's."""
DIGITS_OF_DOUBLE: Final = 53


def number(value: Any) -> Fraction | None:
    """Return a bound as a number; None where it is none."""
    if isinstance(value, (bool, int, float, Decimal)):
        return Fraction(value) if math.isfinite(value) else None
    return None


def _scaled(step: Fraction) -> Callable[[Any], Fraction | None]:
    def steps(value: Any) -> Fraction | None:
        plain = number(value)
        return None if plain is None else plain / step

    return steps


def _habit(field: Field, step: Fraction = Fraction(1)) -> Window:
    habit = HABITS.get(field.name.rpartition("_")[2].lower(), USUAL)
    return Window(math.ceil(habit.low / step), math.floor(habit.high / step))


def whole_of_integer(field_type: object) -> Window:
    """Return what the column can hold."""
    if isinstance(field_type, sa.SmallInteger):
        return Window(-(2**15), 2**15 - 1)
    if isinstance(field_type, sa.BigInteger):
        return Window(-(2**63), 2**63 - 1)
    if isinstance(field_type, pg.OID):
        return Window(0, 2**32 - 1)
    return Window(-(2**31), 2**31 - 1)


def plain_integer(field: Field) -> Plain | None:
    """Make whole numbers, 1 to 1000 where nothing says otherwise."""
    whole = whole_of_integer(field.type)
    window = bounded(whole, field.bounds, number)
    return usual(whole, window, _habit(field)).part(field.bounds).without(window.holes).plain()


def unique_integer(field: Field) -> Unique | None:
    """Make whole numbers of all that the column can hold; see ``_positive``."""
    window = bounded(whole_of_integer(field.type), field.bounds, number)
    return _positive(window, field).part(field.bounds).without(window.holes).unique(field.space)


def _positive(window: Window, field: Field) -> Window:
    """Leave out what is below 1, unless a constraint says where the values begin."""
    positive = window.within(1, None)
    return positive if positive.size and field.bounds.low is None else window


def _scale(column_type: Any) -> int:
    if column_type.precision is None:
        return 2
    return column_type.scale or 0


def _numeric(field: Field) -> tuple[Window, Window, int]:
    """Return what the column can hold, what is admitted of it, and the scale."""
    scale, precision = _scale(field.type), getattr(field.type, "precision", None) or 15
    most = 10**precision - 1
    whole = Window(-most, most)
    return whole, bounded(whole, field.bounds, _scaled(Fraction(10) ** -scale)), scale


def _exact_type(field: Field) -> bool:
    column_type: Any = field.type
    return bool(column_type.asdecimal)


def plain_numeric(field: Field) -> Plain | None:
    """Make decimal numbers with all digits that the column keeps."""
    whole, window, scale = _numeric(field)
    habit = _habit(field, Fraction(10) ** -scale)
    part = usual(whole, window, habit).part(field.bounds).without(window.holes)
    return _decimals(part.plain(), scale, exact=_exact_type(field))


def unique_numeric(field: Field) -> Unique | None:
    """Make decimal numbers that differ in the digits that the column keeps."""
    _, window, scale = _numeric(field)
    part = _positive(window, field).part(field.bounds).without(window.holes)
    exact = _exact_type(field)
    if not exact:
        part = part.within(-(2**DIGITS_OF_DOUBLE), 2**DIGITS_OF_DOUBLE)
    return _decimals(part.unique(field.space), scale, exact=exact)


def _decimals(
    draw: Callable[[Source], int] | None, scale: int, *, exact: bool
) -> Callable[[Source], object] | None:
    if draw is None:
        return None
    if exact:
        return lambda source: Decimal(draw(source)).scaleb(-scale, WIDE)
    return lambda source: draw(source) / 10**scale


def _mantissa(column_type: Any) -> int:
    precision = column_type.precision
    single = isinstance(column_type, sa.REAL) or (
        precision is not None and precision <= DIGITS_OF_REAL
    )
    return DIGITS_OF_REAL if single and not isinstance(column_type, sa.Double) else DIGITS_OF_DOUBLE


def _floats(
    draw: Callable[[Source], int] | None, step: Fraction, column_type: Any
) -> Callable[[Source], object] | None:
    if draw is None:
        return None
    if column_type.asdecimal:
        return lambda source: Decimal(draw(source) * step.numerator) / step.denominator
    numerator, denominator = step.numerator, step.denominator
    return lambda source: draw(source) * numerator / denominator


def plain_float(field: Field) -> Plain | None:
    """Make numbers with two decimals, or finer ones where the bounds lie close."""
    for digits in (2, 4, 6):
        step = Fraction(1, 10**digits)
        most = 2 ** _mantissa(field.type)
        whole = Window(-most, most)
        window = bounded(whole, field.bounds, _scaled(step))
        part = usual(whole, window, _habit(field, step)).part(field.bounds).without(window.holes)
        if part.size >= 100 and window.size:  # noqa: PLR2004 - so that rows differ
            return _floats(part.plain(), step, field.type)
    return _floats(_exact(field)[0].plain(), _exact(field)[1], field.type)


def unique_float(field: Field) -> Unique | None:
    """Make numbers that the column keeps without rounding."""
    window, step = _exact(field)
    return _floats(window.unique(field.space), step, field.type)


def _exact(field: Field) -> tuple[Window, Fraction]:
    """Return admitted multiples of a power of two, all of which the mantissa can hold."""
    digits = _mantissa(field.type)
    bounds = [number(bound) for bound in (field.bounds.low, field.bounds.high)]
    ends = [abs(bound) for bound in bounds if bound]
    largest = max(ends) if ends and None not in bounds else max(2**digits, *ends, 1)
    step = Fraction(2) ** (max(1, math.ceil(largest)).bit_length() - digits)
    most = 2**digits
    window = bounded(Window(-most, most), field.bounds, _scaled(step))
    return _positive(window, field).part(field.bounds).without(window.holes), step


def _money(field: Field) -> Window:
    return bounded(Window(-(10**12), 10**12), field.bounds, number)


def plain_money(field: Field) -> Plain | None:
    """Make whole amounts, as texts: how decimals are written depends on the server's locale."""
    whole = Window(-(10**12), 10**12)
    draw = usual(whole, _money(field), _habit(field)).part(field.bounds).plain()
    return None if draw is None else lambda random: str(draw(random))


def unique_money(field: Field) -> Unique | None:
    """Make different whole amounts, as texts."""
    draw = _positive(_money(field), field).part(field.bounds).unique(field.space)
    return None if draw is None else lambda draws: str(draw(draws))
