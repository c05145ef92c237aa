"""TD101: a file of factories that cannot be imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.doctor.factories.trial import Trial

__all__ = ["RULE", "reasons"]

RULE: Final = Rule(
    "TD101",
    "A file with factories cannot be imported",
    "error",
    "Nothing in it can be tried, and the tests that use it fail while they are collected.",
    "Import it as pytest does, `testkit run -- python -m pytest --collect-only`, and mend "
    "what it says.",
)


def reasons(trial: Trial) -> Iterator[str]:
    """Give what its import raised."""
    if trial.imported is not None:
        yield f"the import fails: {trial.imported.text}"
