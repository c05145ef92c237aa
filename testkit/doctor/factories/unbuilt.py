"""TD102: a factory whose object cannot be built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.doctor.factories.text_ids import is_text_id
from testkit.doctor.finding import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.doctor.factories.trial import Trial

__all__ = ["RULE", "reasons"]

RULE: Final = Rule(
    "TD102",
    "A factory cannot build an object",
    "error",
    "Every test that calls it fails: usually a field of the model was renamed or removed, or "
    "one became required.",
    "Give the factory the fields that its model has, by declarations that do not fail.",
)


def reasons(trial: Trial) -> Iterator[str]:
    """Give what ``build()`` raised."""
    if trial.built is not None and not is_text_id(trial.built):
        yield f"build() raises {trial.built.text}"
