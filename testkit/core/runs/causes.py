"""What triage concluded: failures under causes, each failure under exactly one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testkit.core.runs.failure import Evidence, Failure, Json

__all__ = ["Cause", "Symptom", "Triage", "triage_json"]


@dataclass(frozen=True, slots=True)
class Symptom:
    """One way in which a cause showed: a short text and how many failures had it."""

    text: str
    failures: int


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause and the failures that stand under it.

    ``id`` is the same for the same cause in every run (``C-`` and eight letters). ``rule`` is None
    where nothing is known but that the failures look alike. ``why`` says why this usually happens,
    ``fix`` what to do, ``doctor`` the code of a rule of ``testkit doctor`` that finds it, or "".
    ``place`` is "path:line" in the code where it is to be mended, or "". ``traceback`` is the
    shortest representative one, from the frame below the test. ``first_seen`` is the UTC time of
    the first run that had it, or "".
    """

    id: str
    title: str
    rule: str | None
    failures: tuple[Failure, ...]
    why: str = ""
    fix: str = ""
    doctor: str = ""
    place: str = ""
    symptoms: tuple[Symptom, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    traceback: str = ""
    first_seen: str = ""

    @property
    def tests(self) -> tuple[str, ...]:
        """The node ids, each once, in the order of the run."""
        return tuple(dict.fromkeys(failure.nodeid for failure in self.failures))

    @property
    def files(self) -> tuple[str, ...]:
        """The tests' files, each once, sorted."""
        return tuple(sorted({failure.file for failure in self.failures}))


@dataclass(frozen=True, slots=True)
class Triage:
    """The answer of ``testkit triage``: causes, most failures first, the unknown ones behind.

    ``counts`` are tests by outcome, ``lacks`` sentences about what the sources could not tell,
    ``title`` names the sources, ``complete`` is False where a record has no end.
    """

    causes: tuple[Cause, ...]
    counts: Mapping[str, int] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()
    title: str = ""
    complete: bool = True
    seconds: float = 0.0

    @property
    def failures(self) -> int:
        """How many failures stand under the causes."""
        return sum(len(cause.failures) for cause in self.causes)


def triage_json(triage: Triage) -> dict[str, Any]:
    """Return the answer of ``--format json``: design section 4.6, version 1."""
    return {
        "version": 1,
        "title": triage.title,
        "totals": {
            "failures": triage.failures,
            "causes": len(triage.causes),
            "unknown": sum(cause.rule is None for cause in triage.causes),
            "tests": dict(triage.counts),
            "complete": triage.complete,
        },
        "lacks": list(triage.lacks),
        "causes": [_cause_json(cause) for cause in triage.causes],
    }


def _cause_json(cause: Cause) -> dict[str, Json]:
    return {
        "id": cause.id,
        "title": cause.title,
        "rule": cause.rule,
        "failures": len(cause.failures),
        "tests": list(cause.tests),
        "files": list(cause.files),
        "symptoms": [{"text": s.text, "failures": s.failures} for s in cause.symptoms],
        "evidence": [{"kind": one.kind, **one.facts} for one in cause.evidence],
        "place": cause.place,
        "why": cause.why,
        "fix": cause.fix,
        "doctor": cause.doctor,
        "proof": None,
        "traceback": cause.traceback,
        "first_seen": cause.first_seen,
    }
