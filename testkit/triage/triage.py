"""The use case: from failures to causes, each failure under exactly one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.core.runs.causes import Triage
from testkit.core.uncollected import uncollected
from testkit.triage.drafts import Draft
from testkit.triage.drawing import cause_of
from testkit.triage.facts import Facts
from testkit.triage.merging import merged
from testkit.triage.recognize import recognize
from testkit.triage.unknown import MOST, masked, unknown_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from testkit.core.runs.causes import Cause
    from testkit.core.runs.failure import Failure
    from testkit.triage.drafts import Place
    from testkit.triage.rule import Found, Rule

__all__ = ["triage"]

_ALSO: Final = 2_000


def triage(
    failures: Iterable[Failure],
    *,
    counts: Mapping[str, int] | None = None,
    lacks: Iterable[str] = (),
    title: str = "",
    complete: bool = True,
) -> Triage:
    """Return the causes of the failures, most failures first, those that no rule knows behind.

    The answer does not depend on the order of the failures. They are read once, and most are kept
    without evidence and frames, so that memory does not grow with what they hold.
    """
    drafts: dict[tuple[object, ...], Draft] = {}
    with uncollected():
        for failure in failures:
            _place(failure, drafts)
    causes = [cause_of(draft) for draft in merged(drafts.values())]
    return Triage(
        causes=tuple(sorted(causes, key=_rank)),
        counts=dict(counts or {}),
        lacks=tuple(lacks),
        title=title,
        complete=complete,
    )


def _place(failure: Failure, drafts: dict[tuple[object, ...], Draft]) -> None:
    """Put one failure under the draft that it belongs to."""
    facts = Facts(failure)
    known = recognize(facts)
    rule, hit = known or (None, None)
    unknown = unknown_key(facts) if hit is None or not hit.proof else ()
    name = (rule.id, hit.key, hit.threads, hit.proof, unknown) if rule and hit else ("", unknown)
    draft = drafts.get(name)
    if draft is None:
        draft = drafts[name] = _draft(rule, hit, unknown)
    own = facts.own
    symptom = _symptom(own.type, own.first)
    values = hit.values if hit else {"what": symptom}
    draft.add(failure, values, symptom, _where(facts, rule))
    if hit and hit.also and len(draft.also) < _ALSO:
        draft.also |= hit.also


def _draft(rule: Rule | None, hit: Found | None, unknown: tuple[str, ...]) -> Draft:
    if hit is None:
        return Draft(None, unknown, {})
    return Draft(rule, hit.key, hit.values, set(hit.threads), hit.proof, unknown)


def _where(facts: Facts, rule: Rule | None) -> Place:
    """Return where to mend it: in the project below the test, or where tests do it in the test."""
    best, other = facts.project, facts.test
    if rule is not None and rule.mend == "test":
        best, other = other, best
    frame = best or other
    return (best is None, frame.path, frame.line) if frame else (True, "", 0)


def _symptom(kind: str, first: str) -> str:
    text = masked(first[:MOST])
    return f"{kind}: {text}" if kind and kind != "AssertionError" else text


def _rank(cause: Cause) -> tuple[bool, int, str]:
    return (cause.rule is None, -len(cause.failures), cause.id)
