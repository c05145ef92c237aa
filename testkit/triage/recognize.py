"""Which rule knows a failure: the first one of the table, tried on what was said."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from testkit.triage.rules import FIRST, THEN

if TYPE_CHECKING:
    from testkit.triage.facts import Facts, Said
    from testkit.triage.rule import Found, Rule

__all__ = ["recognize"]

_NO_DIGITS: Final = dict.fromkeys(map(ord, "0123456789"))


def recognize(facts: Facts) -> tuple[Rule, Found] | None:
    """Return the rule and what it found, None where no rule knows the failure."""
    unproven: tuple[Rule, Found] | None = None
    for said in facts.said:
        for rule in _cued(said, first=True):
            hit = rule.match(facts, said)
            if hit and hit.proof:
                return rule, hit
            if hit and unproven is None:
                unproven = rule, hit
    own = facts.own
    for rule in _cued(own, first=False):
        hit = rule.match(facts, own)
        if hit and hit.proof:
            return rule, hit
        if hit and unproven is None:
            unproven = rule, hit
    return unproven


def _cued(said: Said, *, first: bool) -> tuple[Rule, ...]:
    """Return the rules that may know what was said, in the order of the table."""
    # No cue has a digit: what differs by numbers alone is looked at once.
    return _cued_by(said.type, said.text.translate(_NO_DIGITS), first=first)


@lru_cache(maxsize=4_096)
def _cued_by(kind: str, text: str, *, first: bool) -> tuple[Rule, ...]:
    always, cues = _rules_of(kind, first=first)
    places = set(always)
    for cue, fitting in cues:
        if cue in text:
            places.update(fitting)
    table = FIRST if first else THEN
    return tuple(table[place] for place in sorted(places))


@lru_cache(maxsize=2_000)
def _rules_of(
    kind: str, *, first: bool
) -> tuple[tuple[int, ...], tuple[tuple[str, tuple[int, ...]], ...]]:
    """Return the rules for this type that are always tried, and those of each cue, by place."""
    always: list[int] = []
    cues: dict[str, list[int]] = {}
    for place, rule in enumerate(FIRST if first else THEN):
        if rule.types and kind not in rule.types:
            continue
        if not rule.cues:
            always.append(place)
        for cue in rule.cues:
            cues.setdefault(cue, []).append(place)
    return tuple(always), tuple((cue, tuple(places)) for cue, places in cues.items())
