"""What the rules say of trials, as findings at the place of the factory."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from testkit.doctor.factories import TABLE
from testkit.doctor.factories.trial import Trial
from testkit.doctor.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from testkit.doctor.factories.trial import Failure

__all__ = ["of_factory", "of_file"]

# Values by chance, which are others with each trial: in quotes, in brackets, numbers.
_VALUES: Final = re.compile(r"'[^']*'|\([^)]*\)|\d+")


def of_file(path: Path, failure: Failure) -> Iterator[Finding]:
    """Give the findings of a file that cannot be imported."""
    yield from _findings(Trial(imported=failure), path, (1, 1), "")


def of_factory(
    path: Path, place: tuple[int, int], name: str, trials: Iterable[Trial]
) -> Iterator[Finding]:
    """Give the findings of a factory; of a trait only what the factory alone does not show."""
    told: set[tuple[str, str]] = set()
    for trial in trials:
        for finding in _findings(trial, path, place, name):
            gist = (finding.code, _VALUES.sub("", finding.reason))
            if not trial.trait:
                told.add(gist)
            elif gist in told:
                continue
            yield finding


def _findings(trial: Trial, path: Path, place: tuple[int, int], name: str) -> Iterator[Finding]:
    for rule, reasons in TABLE.items():
        for reason in reasons(trial):
            yield Finding(
                code=rule.code,
                severity=rule.severity,
                path=str(path),
                line=place[0],
                column=place[1],
                factory=name,
                trait=trial.trait,
                reason=reason,
                fix=rule.fix,
            )
