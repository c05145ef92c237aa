"""TD103: a factory whose row the database refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.doctor.factories.colliding import is_collision
from testkit.doctor.factories.text_ids import is_text_id
from testkit.doctor.finding import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.doctor.factories.trial import Trial

__all__ = ["RULE", "reasons"]

RULE: Final = Rule(
    "TD103",
    "A factory cannot create its row",
    "error",
    "The values do not fit the table: NOT NULL, a CHECK, a foreign key, a type, a length. The "
    "second row of a factory may be the one that does not.",
    "Give the column that is named a value that it takes; a table that is missing, a migration.",
)


def reasons(trial: Trial) -> Iterator[str]:
    """Give what the first ``create()`` raised, or the second one."""
    for failure, which in ((trial.created, "create()"), (trial.again, "a second create()")):
        if failure is not None and not is_collision(failure) and not is_text_id(failure):
            yield f"{which} raises {failure.text}"
