"""What every form says first: how many failures, causes and tests, and how sure that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.reports.texts import one_line, plural

if TYPE_CHECKING:
    from testkit.core.runs.causes import Cause, Triage

__all__ = ["counted", "headline", "kind_of", "notes", "seen", "symptoms", "titled"]

#: pytest's own plural: the other outcomes have none.
_WORDS: Final = {("error", True): "errors"}


def headline(triage: Triage) -> str:
    """Return one sentence: ``113 failures, 5 causes (1 of them unknown)``."""
    if not triage.failures:
        return "no failures"
    unknown = sum(cause.rule is None for cause in triage.causes)
    causes = plural(len(triage.causes), "cause")
    if unknown == len(triage.causes):
        causes = plural(unknown, "unknown cause")
    elif unknown:
        causes += f" ({unknown:,} of them unknown)"
    return f"{plural(triage.failures, 'failure')}, {causes}"


def counted(triage: Triage) -> str:
    """Return the tests by outcome: ``1,209 passed, 113 failed``; "" where nothing counted them."""
    return ", ".join(
        plural(count, "error") if word == "error" else f"{count:,} {one_line(word)}"
        for word, count in triage.counts.items()
        if count
    )


def notes(triage: Triage) -> list[str]:
    """Return sentences about what the sources could not tell."""
    lines = [one_line(note) for note in triage.lacks]
    if not triage.complete and not lines:  # whoever read it says so, and of which file
        lines.append("The run did not come to its end: what ran later is not told.")
    return lines


def kind_of(cause: Cause) -> str:
    """Return the name of the cause's rule, or the word for a group that no rule knows."""
    return one_line(cause.rule) if cause.rule is not None else "unknown"


def symptoms(cause: Cause, *, most: int = 4) -> list[str]:
    """Return how the cause showed, most frequent first: ``409 instead of 201 (27)``."""
    shown = [f"{one_line(s.text, most=200)} ({s.failures:,})" for s in cause.symptoms[:most]]
    rest = len(cause.symptoms) - most
    return [*shown, f"and {plural(rest, 'other')}"] if rest > 0 else shown


def seen(cause: Cause) -> str:
    """Return since when the cause is known, "" where that is not."""
    when = one_line(cause.first_seen)[:16].replace("T", " ")
    return f"seen first {when}" if when else ""


def titled(cause: Cause) -> str:
    """Return the title; where no rule knows the cause, it says so, once."""
    if cause.rule is not None:
        return cause.title
    return f"unknown: {cause.title.removeprefix('Unknown: ')}"
