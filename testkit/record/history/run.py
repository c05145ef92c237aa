"""One run as the history keeps it: a result for each attempt at each test."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Result", "Run", "failed", "passed", "run_of"]

#: Which outcome counts of an attempt that has several, worst first.
_WORST: Final = ("error", "failed", "rerun", "xpassed", "xfailed", "skipped", "passed")
_RANK: Final = {outcome: rank for rank, outcome in enumerate(_WORST)}
_PHASES: Final = ("setup", "call", "teardown")
_LONGEST: Final = 4_096
_FOREVER: Final = 1e9


@dataclass(frozen=True, slots=True)
class Result:
    """What one attempt at a test came to; ``order`` is its place on its worker, -1 unknown."""

    nodeid: str
    attempt: int
    outcome: str
    setup: float | None = None
    call: float | None = None
    teardown: float | None = None
    worker: str = "master"
    order: int = -1
    signature: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """A run that ended; ``dirty`` is None where nobody knows whether files were changed."""

    id: str
    started: str
    commit: str
    dirty: bool | None
    exitstatus: int
    results: tuple[Result, ...] = ()


def failed(outcome: str) -> bool:
    """Return whether the outcome is of an attempt that failed, run again or not."""
    return outcome in {"error", "failed", "rerun"}


def passed(outcome: str) -> bool:
    """Return whether the outcome is of an attempt that passed; skipped and xfailed tell nothing."""
    return outcome in {"passed", "xpassed"}


def run_of(lines: Iterable[Mapping[str, Any]]) -> Run | None:
    """Read the lines of a record; None where the run has no name, or did not end."""
    begun: Mapping[str, Any] = {}
    ended: Mapping[str, Any] | None = None
    results: dict[tuple[str, int], Result] = {}
    for line in lines:
        kind = line.get("kind")
        if kind == "test":
            _add(results, line)
        elif kind == "run" and not begun:
            begun = line
        elif kind == "end":
            ended = line
    name = _text(begun.get("id"))
    if not name or ended is None:
        return None
    git = begun.get("git")
    dirty = ended.get("dirty")
    return Run(
        id=name,
        started=_text(begun.get("started")),
        commit=_text(git.get("commit")) if isinstance(git, dict) else "",
        dirty=dirty if isinstance(dirty, bool) else None,
        exitstatus=_whole(ended.get("exitstatus"), -1),
        results=tuple(results.values()),
    )


def _add(results: dict[tuple[str, int], Result], line: Mapping[str, Any]) -> None:
    nodeid, outcome = line.get("nodeid"), line.get("outcome")
    if not isinstance(nodeid, str) or not isinstance(outcome, str) or outcome not in _RANK:
        return
    if not nodeid or len(nodeid) > _LONGEST:
        return
    attempt = _whole(line.get("attempt"), 1)
    known = results.get((nodeid, attempt))
    # The line of a subtest has the seconds of a part of the call.
    phases = () if line.get("subtest") else _PHASES
    seconds: dict[str, Any] = {
        phase: told for phase in phases if (told := _seconds(line.get(phase))) is not None
    }
    if known is None:
        results[nodeid, attempt] = Result(
            nodeid=nodeid,
            attempt=attempt,
            outcome=outcome,
            worker=_text(line.get("worker")) or "master",
            order=_whole(line.get("order"), -1),
            signature=_text(line.get("signature")),
            **seconds,
        )
        return
    worse = _RANK[outcome] < _RANK[known.outcome]
    results[nodeid, attempt] = replace(
        known,
        outcome=outcome if worse else known.outcome,
        signature=known.signature or _text(line.get("signature")),
        **seconds,
    )


def _text(told: object) -> str:
    return told[:_LONGEST] if isinstance(told, str) else ""


def _whole(told: object, otherwise: int) -> int:
    if isinstance(told, int) and not isinstance(told, bool) and abs(told) < 1 << 62:
        return told
    return otherwise


def _seconds(told: object) -> float | None:
    return float(told) if isinstance(told, (int, float)) and 0 <= told < _FOREVER else None
