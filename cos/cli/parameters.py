"""Types of options and arguments that several commands have."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click

from cos.db.storable import storable_text

__all__ = ["TEXT", "TIME", "TimeType", "yes_option"]

AGO: Final = re.compile(r"(\d{1,6})([smhd])")
UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

yes_option = click.option("--yes", is_flag=True, help="Do not ask.")
"""The option ``--yes`` of every command that asks before it changes something."""


class TimeType(click.ParamType[datetime]):
    """A time: ISO 8601, in UTC where it has no offset, or how long ago: 90s, 15m, 2h, 7d."""

    name = "TIME"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the time with its offset; wrong use where it is none."""
        if isinstance(value, datetime):
            return value
        try:
            if ago := AGO.fullmatch(value):
                return datetime.now(UTC) - timedelta(**{UNITS[ago[2]]: int(ago[1])})
            moment = datetime.fromisoformat(value)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is no time; write 2030-01-31T12:00, or 15m, 2h, 7d ago", param, ctx
            )


class _StorableText(click.ParamType[str]):
    """Text that may stand in the database; an argument may be bytes that are no text."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return storable_text(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


TEXT: Final = _StorableText()
TIME: Final = TimeType()
