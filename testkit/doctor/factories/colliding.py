"""TD104: a factory whose rows collide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.doctor.factories.trial import Failure, Trial

__all__ = ["RULE", "is_collision", "reasons"]

RULE: Final = Rule(
    "TD104",
    "A factory makes rows that collide",
    "error",
    "A constant, or a value drawn from a few, stands in a column that must be unique: the "
    "second row of a test fails, or that of another test that runs beside it.",
    'Draw the value: leave the field out of a testkit Factory, or declare Unique("prefix") or '
    "a Sequence.",
)
_SQLSTATES: Final = ("23505", "23P01")  # unique, exclusion


def is_collision(failure: Failure) -> bool:
    """Return whether the database found another row in the way."""
    return failure.sqlstate in _SQLSTATES


def reasons(trial: Trial) -> Iterator[str]:
    """Give which constraint two rows violate; what is constant where no row could be made."""
    if trial.created is not None and is_collision(trial.created):
        yield f"the first row collides: {trial.created.text}"
    elif trial.created is not None:
        for columns in trial.constants:
            names = ", ".join(columns)
            yield f"every object has the same {names}, which must be unique"
    if trial.again is not None and is_collision(trial.again):
        yield f"two rows in a row collide: {trial.again.text}"
