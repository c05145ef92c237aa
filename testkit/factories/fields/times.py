"""Values of dates, times and intervals."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from testkit.factories.fields.windows import Window, bounded, usual

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.factories.fields.field import Field, Plain, Source, Unique

__all__ = [
    "plain_date",
    "plain_datetime",
    "plain_interval",
    "plain_time",
    "unique_date",
    "unique_datetime",
    "unique_interval",
    "unique_time",
]

EPOCH: Final = dt.datetime(2000, 1, 1)  # noqa: DTZ001 - zones are put on at the end
UTC_EPOCH: Final = EPOCH.replace(tzinfo=dt.UTC)
FIRST_DAY: Final = EPOCH.date()
SECOND: Final = 10**6
DAY: Final = 86400
DAYS: Final = Window(
    (dt.date(1, 1, 1) - FIRST_DAY).days + 1, (dt.date(9999, 12, 31) - FIRST_DAY).days - 1
)
"""What the column can hold, in days since 2000. A day is left at each end for zones."""


def _days(year: int, last_year: int) -> Window:
    return Window(
        (dt.date(year, 1, 1) - FIRST_DAY).days, (dt.date(last_year, 12, 31) - FIRST_DAY).days
    )


USUAL: Final = _days(2020, 2025)
BIRTHS: Final = _days(1950, 2005)
DIFFERENT_DAYS: Final = _days(1900, 2199)
BIRTH_WORDS: Final = frozenset({"birth", "birthday", "birthdate", "dob", "born"})


def _habit(field: Field) -> Window:
    return BIRTHS if BIRTH_WORDS & set(field.name.lower().split("_")) else USUAL


def _spread(window: Window, per_day: int) -> Window:
    return Window(window.low * per_day, (window.high + 1) * per_day - 1, window.holes)


def _moment(value: Any) -> Fraction | None:
    """Return a bound in microseconds since 2000, by UTC; None where it is no date."""
    if isinstance(value, dt.datetime):
        plain = value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value
        return Fraction((plain - EPOCH) // dt.timedelta(microseconds=1))
    if isinstance(value, dt.date):
        return Fraction((value - FIRST_DAY).days * DAY * SECOND)
    return None


def _by(step: int) -> Callable[[Any], Fraction | None]:
    def steps(value: Any) -> Fraction | None:
        moment = _moment(value)
        return None if moment is None else moment / step

    return steps


def plain_date(field: Field) -> Plain | None:
    """Make days of the years 2020 to 2025; of birth, 1950 to 2005."""
    window = bounded(DAYS, field.bounds, _by(DAY * SECOND))
    part = usual(DAYS, window, _habit(field)).part(field.bounds).without(window.holes)
    return _dates(part.plain())


def unique_date(field: Field) -> Unique | None:
    """Make different days of the years 1900 to 2199."""
    window = bounded(DAYS, field.bounds, _by(DAY * SECOND))
    part = usual(DAYS, window, DIFFERENT_DAYS).part(field.bounds).without(window.holes)
    return _dates(part.unique(field.space))


def _dates(draw: Callable[[Source], int] | None) -> Callable[[Source], object] | None:
    if draw is None:
        return None
    return lambda source: FIRST_DAY + dt.timedelta(draw(source))


def _step(field: Field) -> int:
    """Return the least difference that the column keeps, in microseconds."""
    precision = getattr(field.type, "precision", None)
    precision = getattr(field.type, "second_precision", None) if precision is None else precision
    return 1 if precision is None else 10 ** (6 - min(precision, 6))


def plain_datetime(field: Field) -> Plain | None:
    """Make whole seconds of the years 2020 to 2025; with the zone UTC where the column has one."""
    return _datetimes(field, lambda window: window.plain(), _habit(field))


def unique_datetime(field: Field) -> Unique | None:
    """Make different moments: whole seconds where there are enough, else as fine as is kept."""
    return _datetimes(field, lambda window: window.unique(field.space), DIFFERENT_DAYS)


FEW: Final = 10**6
"""Seconds between the bounds below which fractions of a second are used."""


def _datetimes(
    field: Field, drawn: Callable[[Window], Callable[[Source], int] | None], habit: Window
) -> Callable[[Source], object] | None:
    for step in (SECOND, _step(field)):
        per_day = DAY * SECOND // step
        whole = _spread(DAYS, per_day)
        window = bounded(whole, field.bounds, _by(step))
        if window.size >= FEW:
            break
    window = usual(whole, window, _spread(habit, per_day)).part(field.bounds).without(window.holes)
    draw = drawn(window)
    if draw is None:
        return None
    epoch = UTC_EPOCH if getattr(field.type, "timezone", False) else EPOCH
    if step == SECOND:
        return lambda source: epoch + dt.timedelta(seconds=draw(source))
    return lambda source: epoch + dt.timedelta(microseconds=draw(source) * step)


def _times(
    field: Field, draw: Callable[[Source], int] | None, step: int
) -> Callable[[Source], object] | None:
    if draw is None:
        return None
    epoch = UTC_EPOCH if getattr(field.type, "timezone", False) else EPOCH
    return lambda source: (epoch + dt.timedelta(microseconds=draw(source) * step)).timetz()


def plain_time(field: Field) -> Plain | None:
    """Make whole minutes of a day."""
    return _times(field, Window(0, DAY // 60 - 1).part(field.bounds).plain(), 60 * SECOND)


def unique_time(field: Field) -> Unique | None:
    """Make different times of a day, as fine as the column keeps them."""
    step = _step(field)
    window = Window(0, DAY * SECOND // step - 1).part(field.bounds)
    return _times(field, window.unique(field.space), step)


UNITS: Final = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": DAY}


def _unit(field: Field) -> int | None:
    """Return the seconds of the last field that an interval keeps; None for months and years."""
    fields = getattr(field.type, "fields", None)
    return UNITS.get(fields.upper().split()[-1].split("(")[0]) if fields else 1


def plain_interval(field: Field) -> Plain | None:
    """Make 1 to 240 minutes, or of another unit where the column keeps no minutes."""
    unit = _unit(field)
    draw = Window(1, 240).part(field.bounds).plain()
    if unit is None or draw is None:
        return None
    seconds = max(unit, UNITS["MINUTE"])
    return lambda random: dt.timedelta(seconds=draw(random) * seconds)


def unique_interval(field: Field) -> Unique | None:
    """Make different numbers of seconds, or of the unit that the column keeps."""
    unit = _unit(field)
    draw = Window(1, 10**9 // (unit or 1)).part(field.bounds).unique(field.space)
    if unit is None or draw is None:
        return None
    return lambda draws: dt.timedelta(seconds=draw(draws) * unit)
