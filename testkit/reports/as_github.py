"""Causes for GitHub: annotations, at most ten, one per cause; a job summary within its limit.

The limits are GitHub's: ten annotations of a kind are shown for a step, a job summary of more than
1 MiB is refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from testkit.reports.as_markdown import parts
from testkit.reports.heading import kind_of, symptoms
from testkit.reports.texts import one_line, plural
from testkit.reports.workflow import annotation

if TYPE_CHECKING:
    from testkit.core.runs.causes import Cause, Triage

__all__ = ["commands", "render", "summary"]

_ANNOTATIONS: Final = 10
_SUMMARY_BYTES: Final = 1024 * 1024
_ROOM_FOR_REST: Final = 20_000
_PLACE: Final = re.compile(r"(?P<file>[^\n]+?):(?P<line>\d+)")


def render(triage: Triage, *, limit: int | None = None) -> str:
    """Return the annotations and, behind them, the summary."""
    return "\n".join([*commands(triage), summary(triage, limit=limit)])


def commands(triage: Triage) -> list[str]:
    """Return a workflow command for each of the first causes, at the place where it is mended."""
    causes = triage.causes
    shown = causes if len(causes) <= _ANNOTATIONS else causes[: _ANNOTATIONS - 1]
    lines = [_annotation(cause) for cause in shown]
    if left := causes[len(shown) :]:
        failures = sum(len(cause.failures) for cause in left)
        more = f"{plural(len(left), 'more cause')} with {plural(failures, 'failure')}"
        lines.append(annotation("error", "The job summary has them all.", title=more))
    return lines


def summary(triage: Triage, *, limit: int | None = None) -> str:
    """Return the job summary: as many causes with their details as there is room for."""
    head, details, rest = parts(triage, limit=limit)
    room = _SUMMARY_BYTES - _ROOM_FOR_REST - _size(head) - min(_size(rest), _ROOM_FOR_REST)
    if room < 0:
        head, details = _cut(head, _SUMMARY_BYTES - 2 * _ROOM_FOR_REST), []
    kept: list[str] = []
    for detail in details:
        room -= _size(detail) + 1
        if room < 0:
            break
        kept.append(detail)
    if len(kept) < len(details):
        kept.append(f"- Without details for want of room: {len(details) - len(kept):,} causes.\n")
    return "\n".join([head, *kept, _cut(rest, _ROOM_FOR_REST)]).rstrip("\n") + "\n"


def _annotation(cause: Cause) -> str:
    words = {"title": one_line(f"{len(cause.failures):,}: {cause.title}", most=200)}
    if place := _PLACE.fullmatch(cause.place):
        words = {"file": one_line(place["file"], most=200), "line": place["line"], **words}
    about = [f"{plural(len(cause.tests), 'test')}, {kind_of(cause)}, {one_line(cause.id)}"]
    about += [f"to do: {one_line(cause.fix)}"] if cause.fix else []
    about += [f"shows as {', '.join(symptoms(cause, most=3))}"] if cause.symptoms else []
    told = one_line(". ".join(one.rstrip(".") for one in about), most=2_000)
    return annotation("error", told, **words)


def _size(text: str) -> int:
    return len(text.encode(errors="replace"))


def _cut(text: str, size: int) -> str:
    data = text.encode(errors="replace")
    return text if len(data) <= size else data[:size].decode(errors="ignore").rpartition("\n")[0]
