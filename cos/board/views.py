"""How facts look on the board: pure, and without markup."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cos.models.health_state import HealthState

__all__ = ["STATES", "Age", "age", "counted", "shortened"]

# In the order in which a person wants to see them.
STATES: Final = (
    HealthState.OFFLINE,
    HealthState.DEGRADED,
    HealthState.UNKNOWN,
    HealthState.HEALTHY,
)
UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


@dataclass(frozen=True, slots=True)
class Age:
    """How long ago something was, for people, and when, for machines; empty for never."""

    text: str
    moment: str = ""


def age(moment: datetime | None, *, now: datetime) -> Age:
    """Return how long before ``now`` a moment was, in its largest whole unit.

    A moment after ``now``, by another clock or another transaction, was just now.
    """
    if moment is None:
        return Age("never")
    seconds = int((now - moment).total_seconds())
    for size, unit in UNITS:
        if seconds >= size:
            return Age(f"{seconds // size} {unit} ago", moment.isoformat())
    return Age("just now", moment.isoformat())


def counted(number: int, noun: str) -> str:
    """Return the number with its noun: ``1 module``, ``2,000 modules``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def shortened(text: str, most: int) -> str:
    """Return the text, its end replaced by an ellipsis where it has more than ``most`` letters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
