"""TD106: a value that the database changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.doctor.factories.trial import Trial

__all__ = ["RULE", "reasons"]

RULE: Final = Rule(
    "TD106",
    "A value is another one when it is read back",
    "warning",
    "A time without a zone in a column with one, more digits than a NUMERIC keeps, a text "
    "that is padded or cut, a float where a Decimal comes back: a test that compares what it "
    "made with what it read fails, or passes until the object is read again.",
    "Give the value as the column keeps it.",
)
_LONGEST: Final = 100


def reasons(trial: Trial) -> Iterator[str]:
    """Give each column with what it was given and gave back, or why the row could not be read."""
    if trial.read is not None:
        yield f"the row cannot be read back: {trial.read.text}"
    for value in trial.values:
        if differs(value.given, value.back):
            given, back = _shown(value.given), _shown(value.back)
            yield f"{value.name} ({value.type}) was given {given} and reads {back}"


def differs(given: object, back: object) -> bool:
    """Return whether a test that compares the two would see a difference.

    A type that compares by identity, or not at all (arrays), says nothing.
    """
    try:
        if given == back or given != given:  # noqa: PLR0124 - not a number
            return False
    except Exception:  # noqa: BLE001 - of whatever type the project has
        return False
    return type(given).__eq__ is not object.__eq__


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
