"""Causes whose effects look like something else: a failure that no better rule knows, explained."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from testkit.triage.facts import Facts, text_of
from testkit.triage.rules.assertions import called_modules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from testkit.core.runs.failure import Failure
    from testkit.triage.drafts import Draft

__all__ = ["explained"]

# Rules that only say how an answer looked.
_ANSWERS: Final = frozenset(
    ("answer-lacks-field", "refused-answer", "server-error", "unauthorized")
)
_NO_SESSIONS: Final = frozenset(("double-incomplete", "double-no-session"))
_TIMEOUT: Final = re.compile(r"timed out|time-?out|did not (?:answer|respond)", re.IGNORECASE)
_NOTHING: Final = frozenset(("None", "[]", "{}", "()", "0", "False", "''", "set()"))


def explained(drafts: list[Draft]) -> list[Draft]:
    """Return the drafts with those taken to a proven cause whose effect they show."""
    for step in (_leaks, _doubles, _silent_servers):
        drafts = step(drafts)
    return drafts


def _leaks(drafts: list[Draft]) -> list[Draft]:
    """Take what fails in a module that reads a leaked variable, after it was leaked."""
    proven = [one for one in drafts if _is(one, "environment-leak") and one.proof]
    by_name: dict[str, Draft] = {}
    for one in proven:
        if by_name.setdefault(one.values["name"], one) is not one:
            by_name[one.values["name"]].take(one)
    for name, one in by_name.items():
        one.key = (name,)
    heads = list(by_name.values())
    again = {id(one) for one in proven} - {id(one) for one in heads}
    drafts = [one for one in drafts if id(one) not in again]
    return _taken(
        drafts,
        heads,
        lambda one: one.rule is None or one.rule.id in _ANSWERS or not one.proof,
        lambda one: [set(_leaked_threads(each)) for each in _seen(one)],
        lambda head: head.threads,
    )


def _leaked_threads(failure: Failure) -> Iterator[str]:
    facts = Facts(failure)
    names = [
        text_of(each.get("name"))
        for one in facts.evidence.get("environment", ())
        if isinstance(changed := one.get("changed"), list)
        for each in changed
        if isinstance(each, dict) and text_of(each.get("by")).partition("[")[0] != facts.base
    ]
    modules = set(called_modules(facts.test.text)) if facts.test else set()
    if facts.project:
        modules.add(facts.project.path.rpartition("/")[2].removesuffix(".py"))
    for name in names:
        yield from (f"{name} {module}" for module in modules)


def _doubles(drafts: list[Draft]) -> list[Draft]:
    """Take what did not happen, or found nothing, where a session's stand-in was at work."""
    heads = [
        one for one in drafts if one.rule and one.rule.id in _NO_SESSIONS and "ession" in one.key[0]
    ]
    return _taken(
        drafts,
        heads,
        lambda one: one.rule is None or not one.proof,
        lambda one: [_stood_in(each) for each in _seen(one)],
        lambda head: {head.key[0]},
    )


def _stood_in(failure: Failure) -> set[str]:
    """Return the stand-ins that were at work where nothing was found."""
    facts = Facts(failure)
    compared = facts.compared
    empty = "NoneType" in facts.own.text or (
        compared is not None and bool({compared.left, compared.right} & _NOTHING)
    )
    if not empty:
        return set()
    return {
        text_of(each.get("type")).rpartition(".")[2]
        for one in facts.evidence.get("doubles", ())
        if isinstance(names := one.get("names"), list)
        for each in names
        if isinstance(each, dict)
    }


def _silent_servers(drafts: list[Draft]) -> list[Draft]:
    """Take a wait in the module of the client without an answer, and an answer that tells of it."""
    heads = [one for one in drafts if _is(one, "service-timeout") and one.key[0]]
    if len({one.key for one in heads}) != 1:
        return drafts
    files = {path for one in heads for _, path, _ in one.places}
    left = []
    for one in drafts:
        waits = _is(one, "service-timeout") and {path for _, path, _ in one.places} <= files
        tells = _is(one, "server-error") and _TIMEOUT.search(one.values.get("told", ""))
        if one is not heads[0] and (waits or tells):
            heads[0].take(one)
        else:
            left.append(one)
    return left


def _is(draft: Draft, rule: str) -> bool:
    return draft.rule is not None and draft.rule.id == rule


def _id(draft: Draft) -> str:
    return draft.rule.id if draft.rule else ""


def _seen(draft: Draft) -> list[Failure]:
    """Return some failures of a draft that still have their evidence."""
    return draft.earliest(3)


def _taken(
    drafts: list[Draft],
    heads: list[Draft],
    may: Callable[[Draft], bool],
    shown: Callable[[Draft], list[set[str]]],
    known_by: Callable[[Draft], set[str]],
) -> list[Draft]:
    """Give each draft that may be an effect to the only head whose effect it shows.

    It shows that of a head which each of its failures has something in common with. Heads are
    looked up by that, so that thousands of them cost no more than a few.
    """
    if not heads:
        return drafts
    left = []
    places = {id(head): place for place, head in enumerate(heads)}
    index: dict[str, set[int]] = {}
    for place, head in enumerate(heads):
        for name in known_by(head):
            index.setdefault(name, set()).add(place)
    for one in drafts:
        fit = _fitting(shown(one), index) if id(one) not in places and may(one) else []
        if len({(_id(heads[place]), heads[place].key) for place in fit}) == 1:
            head = heads[fit[0]]
            head.take(one)
            for name in known_by(head) & one.threads:
                index.setdefault(name, set()).add(fit[0])
        else:
            left.append(one)
    return left


def _fitting(shown: list[set[str]], index: dict[str, set[int]]) -> list[int]:
    """Return the places of the heads that are known by one name of each set, in order."""
    found = [{place for name in names for place in index.get(name, ())} for names in shown]
    return sorted(found[0].intersection(*found[1:])) if found else []
