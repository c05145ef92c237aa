"""Which rule knows a failure: the first one of the table, tried on what was said."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from testkit.triage.rules import FIRST, THEN

if TYPE_CHECKING:
    from testkit.triage.facts import Facts, Said
    from testkit.triage.rule import Found, Rule

__all__ = ["recognize"]


def recognize(facts: Facts) -> tuple[Rule, Found] | None:
    """Return the rule and what it found, None where no rule knows the failure."""
    unproven: tuple[Rule, Found] | None = None
    for said in facts.said:
        for rule in _rules_of(said.type, first=True):
            hit = _tried(rule, facts, said)
            if hit and hit.proof:
                return rule, hit
            if hit and unproven is None:
                unproven = rule, hit
    own = facts.own
    for rule in _rules_of(own.type, first=False):
        hit = _tried(rule, facts, own)
        if hit and hit.proof:
            return rule, hit
        if hit and unproven is None:
            unproven = rule, hit
    return unproven


def _tried(rule: Rule, facts: Facts, said: Said) -> Found | None:
    if rule.cues:
        text = said.text
        for cue in rule.cues:
            if cue in text:
                break
        else:
            return None
    return rule.match(facts, said)


@lru_cache(maxsize=2_000)
def _rules_of(kind: str, *, first: bool) -> tuple[Rule, ...]:
    return tuple(
        rule for rule in (FIRST if first else THEN) if not rule.types or kind in rule.types
    )
