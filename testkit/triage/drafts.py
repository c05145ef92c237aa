"""Causes in the making: failures that share a key, the fullest ones kept whole."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import TYPE_CHECKING, Final

from testkit.core.runs.failure import Failure, Raised

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testkit.triage.rule import Rule

__all__ = ["Draft", "Place", "sort_key"]

# So many failures of a draft keep their evidence, frames and text; the others keep who and what.
_WHOLE: Final = 50
_SYMPTOMS: Final = 400
_PLACES: Final = 400

Place = tuple[str, int]
SortKey = tuple[int, str, str, str, int, str, str]


def sort_key(failure: Failure) -> SortKey:
    """Return what orders failures as the run had them, the same whatever order they come in."""
    order = failure.order if failure.order >= 0 else 1 << 40
    return (
        order,
        failure.worker,
        failure.nodeid,
        failure.phase,
        failure.attempt,
        failure.subtest,
        failure.message,
    )


@dataclass(slots=True, eq=False)
class Draft:
    """What is gathered of one key, before causes are merged."""

    rule: Rule | None
    key: tuple[str, ...]
    values: Mapping[str, str]
    threads: set[str] = field(default_factory=set)
    proof: bool = True
    otherwise: tuple[str, ...] = ()
    first: SortKey | None = None
    whole: list[tuple[SortKey, Failure]] = field(default_factory=list)
    thin: list[tuple[SortKey, Failure]] = field(default_factory=list)
    symptoms: Counter[str] = field(default_factory=Counter)
    places: Counter[Place] = field(default_factory=Counter)
    files: set[str] = field(default_factory=set)
    shown: set[str] = field(default_factory=set)
    also: set[str] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self.whole) + len(self.thin)

    def add(self, failure: Failure, values: Mapping[str, str], symptom: str, place: Place) -> None:
        """Take one failure; whatever order they come in, the same ones are kept whole."""
        key = sort_key(failure)
        if self.first is None or key < self.first:
            self.first, self.values = key, values
        self.files.add(failure.file)
        if len(self.symptoms) < _SYMPTOMS or symptom in self.symptoms:
            self.symptoms[symptom] += 1
        if place[0] and (len(self.places) < _PLACES or place in self.places):
            self.places[place] += 1
        if what := values.get("what"):
            self.shown.add(what)
        self.whole.append((key, failure))
        if len(self.whole) > 3 * _WHOLE:
            self._thin()

    def take(self, other: Draft) -> None:
        """Take all that another draft has; the title stays that of this one."""
        self.whole += other.whole
        self.thin += other.thin
        self.symptoms.update(other.symptoms)
        self.places.update(other.places)
        self.files |= other.files
        self.also |= other.also
        self.threads |= other.threads
        if other.rule is self.rule:
            self.shown |= other.shown
            if other.first and (self.first is None or other.first < self.first):
                self.first, self.values = other.first, other.values
        if len(self.whole) > 3 * _WHOLE:
            self._thin()

    def earliest(self, many: int) -> list[Failure]:
        """Return the first of the failures that are whole, as the run had them."""
        return [failure for _, failure in nsmallest(many, self.whole, key=_first)]

    def settled(self) -> tuple[list[Failure], list[Failure]]:
        """Return all failures, and those that are whole, in the order of the run."""
        self._thin()
        whole = [failure for _, failure in self.whole]
        return [failure for _, failure in sorted(self.whole + self.thin, key=_first)], whole

    def _thin(self) -> None:
        self.whole.sort(key=_first)
        self.thin += [(key, _thinned(failure)) for key, failure in self.whole[_WHOLE:]]
        del self.whole[_WHOLE:]


def _first(pair: tuple[SortKey, Failure]) -> SortKey:
    return pair[0]


def _thinned(failure: Failure) -> Failure:
    if not failure.chain and not failure.evidence and not failure.text:
        return failure
    chain = tuple(Raised(one.type, one.message[:200], one.link) for one in failure.chain[-1:])
    return Failure(
        failure.nodeid,
        failure.file,
        failure.phase,
        failure.outcome,
        failure.message[:300],
        chain,
        worker=failure.worker,
        order=failure.order,
        attempt=failure.attempt,
        final=failure.final,
        subtest=failure.subtest,
        seconds=failure.seconds,
    )
