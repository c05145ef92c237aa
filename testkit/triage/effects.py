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
        lambda one, head: all(head.threads & set(_leaked_threads(each)) for each in _seen(one)),
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
        lambda one, head: all(_stood_in(each, head.key[0]) for each in _seen(one)),
    )


def _stood_in(failure: Failure, double: str) -> bool:
    facts = Facts(failure)
    compared = facts.compared
    empty = "NoneType" in facts.own.text or (
        compared is not None and bool({compared.left, compared.right} & _NOTHING)
    )
    return empty and any(
        text_of(each.get("type")).rpartition(".")[2] == double
        for one in facts.evidence.get("doubles", ())
        if isinstance(names := one.get("names"), list)
        for each in names
        if isinstance(each, dict)
    )


def _silent_servers(drafts: list[Draft]) -> list[Draft]:
    """Take a wait in the module of the client without an answer, and an answer that tells of it."""
    heads = [one for one in drafts if _is(one, "service-timeout") and one.key[0]]
    if len({one.key for one in heads}) != 1:
        return drafts
    files = {path for one in heads for _, path, _ in one.places}
    return _taken(
        drafts,
        heads[:1],
        lambda one: _is(one, "service-timeout") or _is(one, "server-error"),
        lambda one, _: (
            {path for _, path, _ in one.places} <= files
            if _is(one, "service-timeout")
            else bool(_TIMEOUT.search(one.values.get("told", "")))
        ),
    )


def _is(draft: Draft, rule: str) -> bool:
    return draft.rule is not None and draft.rule.id == rule


def _seen(draft: Draft) -> list[Failure]:
    """Return some failures of a draft that still have their evidence."""
    return draft.earliest(3)


def _taken(
    drafts: list[Draft],
    heads: list[Draft],
    may: Callable[[Draft], bool],
    shows: Callable[[Draft, Draft], bool],
) -> list[Draft]:
    """Give each draft that may be an effect to the only head whose effect it shows."""
    if not heads:
        return drafts
    left = []
    known = {id(head) for head in heads}
    for one in drafts:
        fit = (
            [head for head in heads if shows(one, head)]
            if id(one) not in known and may(one)
            else []
        )
        if len({(head.rule.id if head.rule else "", head.key) for head in fit}) == 1:
            fit[0].take(one)
        else:
            left.append(one)
    return left
