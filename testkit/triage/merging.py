"""Causes that are one: tied by threads, explained by another's evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.triage.effects import explained
from testkit.triage.nearness import Heads
from testkit.triage.rules import BY_ID
from testkit.triage.rules.answers import CONFLICT, LACKS_FIELD
from testkit.triage.rules.values import DEFAULT_NONE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from testkit.triage.drafts import Draft

__all__ = ["merged"]

# Rules whose failures can be effects of a default that was not set.
_NONE_FAMILY: Final = frozenset((DEFAULT_NONE, "not-null", "validation"))
_HEADS: Final = frozenset(("unique-violation", CONFLICT))


def merged(drafts: Iterable[Draft]) -> list[Draft]:
    """Return the drafts with those taken together that the same evidence stands behind."""
    left = sorted(drafts, key=_order)
    for step in _STEPS:
        left = step(left)
    return left


def _order(draft: Draft) -> tuple[str, tuple[str, ...], list[str]]:
    return (draft.rule.id if draft.rule else "~", draft.key, sorted(draft.threads))


def _fields(drafts: list[Draft]) -> list[Draft]:
    """Take an answer 422 of which no field is told to the only one of its resource that tells."""
    told: dict[str, list[Draft]] = {}
    silent: list[Draft] = []
    for one in drafts:
        if _id(one) == "unprocessable" and one.key[0]:
            if one.key[1]:
                told.setdefault(one.key[0], []).append(one)
            else:
                silent.append(one)
    gone: set[int] = set()
    for one in silent:
        heads = told.get(one.key[0], [])
        if len(heads) == 1:
            heads[0].take(one)
            gone.add(id(one))
    return [one for one in drafts if id(one) not in gone]


def _defaults(drafts: list[Draft]) -> list[Draft]:
    """Take together what is None for one reason: what shares an attribute, object or place."""
    family = [one for one in drafts if one.threads and _id(one) in _NONE_FAMILY]
    others = [one for one in drafts if not (one.threads and _id(one) in _NONE_FAMILY)]
    for group in _tied(family):
        if not any(one.rule is BY_ID[DEFAULT_NONE] and one.proof for one in group):
            others += group
            continue
        head = next(one for one in group if one.rule is BY_ID[DEFAULT_NONE] and one.proof)
        for one in group:
            if one is not head:
                head.take(one)
        names = sorted(each.partition(":")[2] for each in head.threads if each.startswith("attr"))
        head.key = ("", *names[:1])
        classes = {one for one in head.shown if "." in one}
        seen = {one.rpartition(".")[2].casefold() for one in classes}
        head.shown = classes | {name for name in names if name not in seen}
        others.append(head)
    return others


def _tied(drafts: list[Draft]) -> list[list[Draft]]:
    """Return the groups of drafts that threads connect."""
    parents = list(range(len(drafts)))

    def root(place: int) -> int:
        while parents[place] != place:
            parents[place] = parents[parents[place]]
            place = parents[place]
        return place

    seen: dict[str, int] = {}
    for place, draft in enumerate(drafts):
        for thread in draft.threads:
            one, other = sorted((root(seen.setdefault(thread, place)), root(place)))
            parents[other] = one
    groups: dict[int, list[Draft]] = {}
    for place, draft in enumerate(drafts):
        groups.setdefault(root(place), []).append(draft)
    return list(groups.values())


def _only_default(drafts: list[Draft]) -> list[Draft]:
    """Take what a stand-in numbers to the default that left the id of a new object None."""
    heads = [one for one in drafts if one.rule is BY_ID[DEFAULT_NONE] and one.proof]
    if len(heads) != 1:
        return drafts
    return _taken(heads[0], drafts, lambda one: one.rule is BY_ID["double-numbers-rows"])


def _later_mappers(drafts: list[Draft]) -> list[Draft]:
    """Take a mapper that only says that another had failed to the cause of that one."""
    heads = [
        one
        for one in drafts
        if one.rule
        and (one.rule.id in _MAPPERS or (one.rule.id == "mapper-failed" and any(one.key)))
    ]
    if len(heads) != 1:
        return drafts
    return _taken(
        heads[0],
        drafts,
        lambda one: one.rule is BY_ID["mapper-failed"] and not any(one.key),
    )


_MAPPERS: Final = frozenset(
    (
        "double-import",
        "ambiguous-class",
        "table-defined-twice",
        "unlocated-class",
        "no-join-condition",
    )
)


def _import_twice(drafts: list[Draft]) -> list[Draft]:
    """Where it was seen that a file has two names, the classes and tables met twice are its own."""
    heads = [one for one in drafts if one.rule is BY_ID["double-import"]]
    if len(heads) != 1:
        return drafts
    twice = {BY_ID["ambiguous-class"].id, BY_ID["table-defined-twice"].id}
    return _taken(heads[0], drafts, lambda one: one.rule is not None and one.rule.id in twice)


def _conflicts(drafts: list[Draft]) -> list[Draft]:
    """Take a conflict to the taken value that its body tells, or that of the same file."""
    for step in (_told_conflict, _bare_conflict, _lacks_field):
        heads = Heads(one for one in drafts if _id(one) in _HEADS and not step(one))
        left = []
        for one in drafts:
            near = heads.near(one) if step(one) else None
            if near is None:
                left.append(one)
            else:
                heads.give(near, one)
        drafts = left
    return drafts


def _told_conflict(one: Draft) -> bool:
    return one.rule is BY_ID[CONFLICT] and any(one.key[:1])


def _bare_conflict(one: Draft) -> bool:
    return one.rule is BY_ID[CONFLICT] and not any(one.key[:1])


def _lacks_field(one: Draft) -> bool:
    return one.rule is BY_ID[LACKS_FIELD]


def _threaded(drafts: list[Draft]) -> list[Draft]:
    """Take together, within a rule, what threads tie; a group's least thread is its key."""
    others = []
    tied: dict[str, list[Draft]] = {}
    for one in drafts:
        if one.threads and _id(one) not in _NONE_FAMILY:
            tied.setdefault(_id(one), []).append(one)
        else:
            others.append(one)
    for family in tied.values():
        for group in _tied(family):
            head = next((one for one in group if one.proof), None)
            if head is None:
                others += group
                continue
            for one in group:
                if one is not head:
                    head.take(one)
            head.key = (min(head.threads, key=lambda thread: (thread.startswith("at:"), thread)),)
            others.append(head)
    return others


def _id(draft: Draft) -> str:
    return draft.rule.id if draft.rule else ""


def _doubles(drafts: list[Draft]) -> list[Draft]:
    """Take what a stand-in lacks to the stand-in that is known to be no session."""
    heads = {one.key: one for one in drafts if _id(one) == "double-no-session"}
    left = []
    for one in drafts:
        head = heads.get(one.key) if _id(one) == "double-incomplete" else None
        if head is None:
            left.append(one)
        else:
            head.take(one)
    return left


def _alike(drafts: list[Draft]) -> list[Draft]:
    """Take together what has one key; what nothing proved is unknown."""
    known: dict[tuple[str, ...], Draft] = {}
    for one in drafts:
        if one.rule and not one.proof:
            one.rule, one.key = None, one.otherwise
            one.values = {"what": max(one.symptoms.items(), key=lambda pair: (pair[1], pair[0]))[0]}
        name = (one.rule.id if one.rule else "", *one.key)
        if name in known:
            known[name].take(one)
        else:
            known[name] = one
    return list(known.values())


def _taken(head: Draft, drafts: list[Draft], which: Callable[[Draft], bool]) -> list[Draft]:
    left = []
    for one in drafts:
        if one is not head and which(one):
            head.take(one)
        else:
            left.append(one)
    return left


_STEPS: Final = (
    _threaded,
    _doubles,
    _fields,
    _import_twice,
    _later_mappers,
    _defaults,
    _only_default,
    _conflicts,
    explained,
    _alike,
)
