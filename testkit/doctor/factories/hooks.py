"""TD108: a post-generation hook that leaves its changes unwritten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.doctor.factories.trial import Trial

__all__ = ["RULE", "reasons"]

RULE: Final = Rule(
    "TD108",
    "A post-generation hook leaves changes unwritten",
    "warning",
    "factory-boy writes the row before its hooks run, and nothing behind them: the "
    "application under test does not see what the hook did, and a refresh of the object takes "
    "it back.",
    "Flush or commit at the end of the hook, or derive from testkit.factories.Factory, which does.",
)


def reasons(trial: Trial) -> Iterator[str]:
    """Give what is new or changed behind ``create()``."""
    if trial.pending:
        yield f"unwritten behind create(): {', '.join(trial.pending)}"
