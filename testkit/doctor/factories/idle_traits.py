"""TD107: a trait that changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.doctor.factories.trial import Trial

__all__ = ["RULE", "reasons"]

RULE: Final = Rule(
    "TD107",
    "A trait changes nothing",
    "warning",
    "A test that asks for it believes that its row is a special one, and tests the usual one.",
    "Give the trait the value that its name promises, or remove it.",
)


def reasons(trial: Trial) -> Iterator[str]:
    """Give what the trait sets, where the factory sets just that without it."""
    if trial.overrides is not None and all(each.same for each in trial.overrides):
        names = ", ".join(each.name for each in trial.overrides)
        yield f"it sets {names} as without it" if names else "it sets nothing"
