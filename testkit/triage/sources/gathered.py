"""What the readers of all forms gather: failures, outcomes by node id, what is missing."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar, cast

from testkit.core.runs.masking import without_secrets
from testkit.core.runs.signature import signature

if TYPE_CHECKING:
    from testkit.core.runs.failure import Failure

__all__ = ["Gathered"]

_Kept = TypeVar("_Kept")
# The worst outcome of a test's phases, subtests and shards is the test's.
_RANKS: Final = {
    name: rank
    for rank, name in enumerate(("skipped", "xfailed", "passed", "xpassed", "error", "failed"))
}
_SUMMARY: Final = re.compile(r"contains \d+ failed subtests?")
_MOST_TEXT: Final = 100 << 20
_MOST_MASKED, _SHORT = 50_000, 1_000


@dataclass(slots=True)
class Gathered:
    """Facts of one run, from one file or several.

    ``outcomes`` holds the last outcome of each node id: passed, failed, error, skipped, xfailed,
    xpassed; a failed attempt that was followed by another one is in ``reruns`` alone.
    ``selected`` and ``deselected`` are empty where the source does not tell, ``cut`` says why a
    run ended early.
    """

    outcomes: dict[str, str] = field(default_factory=dict)
    reruns: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    selected: set[str] = field(default_factory=set)
    deselected: set[str] = field(default_factory=set)
    deselected_count: int = 0
    cut: str = ""
    complete: bool = True
    started: str = ""
    root: str = ""
    _failures: list[Failure] = field(default_factory=list)
    _attempts: dict[str, int] = field(default_factory=dict)
    _sub_failed: set[str] = field(default_factory=set)
    _lacks: dict[str, None] = field(default_factory=dict)
    _same: dict[object, object] = field(default_factory=dict)
    _masked: dict[str, str] = field(default_factory=dict)
    _text: int = 0

    def lacking(self, *sentences: str) -> None:
        """Add sentences about what cannot be told; each is kept once."""
        self._lacks.update(dict.fromkeys(sentences))

    @property
    def lacks(self) -> tuple[str, ...]:
        """The sentences, in the order in which they were found."""
        return tuple(self._lacks)

    def tested(self, nodeid: str, outcome: str, *, attempt: int = 1, reason: str = "") -> None:
        """Take in the outcome of one phase of one attempt."""
        known = self._attempts.get(nodeid, 1)
        if attempt < known:
            return
        if attempt > known:
            self._attempts[nodeid] = attempt
            self.reruns[nodeid] = max(attempt - 1, self.reruns.get(nodeid, 0))
            self.outcomes.pop(nodeid, None)
        if outcome == "rerun":
            self.reruns[nodeid] = max(attempt, self.reruns.get(nodeid, 0))
            return
        rank = _RANKS.get(outcome)
        before = self.outcomes.get(nodeid)
        if rank is None or (before is not None and _RANKS[before] >= rank):
            return
        self.outcomes[nodeid] = outcome
        if reason:
            self.reasons[nodeid] = reason[:400]

    def failed(self, failure: Failure) -> None:
        """Take in a failure; one that only counts failed subtests is left out."""
        if not failure.final:
            return
        if failure.subtest:
            self._sub_failed.add(failure.nodeid)
        elif failure.nodeid in self._sub_failed and _SUMMARY.fullmatch(failure.message.strip()):
            return
        self._failures.append(self._shared(failure))

    def masked(self, text: str) -> str:
        """Return a text without secrets; equal texts are looked through once."""
        known = self._masked.get(text)
        if known is None:
            known = without_secrets(text)
            if len(self._masked) < _MOST_MASKED and len(text) < _SHORT:
                self._masked[text] = known
        return known

    def failures(self) -> list[Failure]:
        """Return the failures of the last attempts, in the order of the sources."""
        latest = self._attempts
        return [one for one in self._failures if one.attempt >= latest.get(one.nodeid, 1)]

    def counts(self) -> dict[str, int]:
        """Return tests by outcome, and ``rerun``: those that were run again."""
        found: dict[str, int] = {}
        for outcome in self.outcomes.values():
            found[outcome] = found.get(outcome, 0) + 1
        if self.reruns:
            found["rerun"] = len(self.reruns)
        return found

    def add(self, other: Gathered) -> None:
        """Take in another file of the same run: a shard, or the same tests told once more.

        A failure that is known already (same test, phase and signature) is not counted twice.
        """
        self._failures = self.failures()
        self._attempts.clear()
        seen = {one.nodeid for one in self._failures}
        doubtful = {one.nodeid for one in other._failures if one.nodeid in seen}
        known = {_identity(one) for one in self._failures if one.nodeid in doubtful}
        for one in other.failures():
            if one.nodeid not in doubtful or _identity(one) not in known:
                self._failures.append(self._shared(one))
        for nodeid, outcome in other.outcomes.items():
            before = self.outcomes.get(nodeid)
            if before is None or _RANKS[outcome] > _RANKS[before]:
                self.outcomes[nodeid] = outcome
        self.reruns |= other.reruns
        self.reasons |= other.reasons
        self.selected |= other.selected
        self.deselected |= other.deselected
        self.deselected_count += other.deselected_count
        self.cut = self.cut or other.cut
        self.complete = self.complete and other.complete
        self.started = min(filter(None, (self.started, other.started)), default="")
        self.lacking(*other.lacks)

    def _shared(self, failure: Failure) -> Failure:
        """Return the failure with one object for equal texts and chains, so that many fit."""
        text = failure.text
        if text:
            if text not in self._same:
                self._text += len(text)
            if self._text > _MOST_TEXT:
                text = ""
                self.lacking(
                    f"The drawn tracebacks take more than {_MOST_TEXT >> 20} MiB;"
                    " those of later failures were left out once they had been read."
                )
        # A copy would take ten times as long, of what its source has just made and nobody else has.
        take = object.__setattr__
        take(failure, "file", self._one(failure.file))
        take(failure, "message", self._one(failure.message))
        take(failure, "chain", self._one(failure.chain))
        take(failure, "text", self._one(text))
        take(failure, "worker", self._one(failure.worker))
        return failure

    def _one(self, value: _Kept) -> _Kept:
        return cast("_Kept", self._same.setdefault(value, value))


def _identity(failure: Failure) -> tuple[str, str, str, str]:
    return failure.nodeid, failure.phase, failure.subtest, signature(failure)
