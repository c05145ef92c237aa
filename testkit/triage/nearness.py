"""Which taken value an answer is about: looked up, so that thousands of each cost no more."""

from __future__ import annotations

import re
from collections import defaultdict
from itertools import chain
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from testkit.triage.drafts import Draft

__all__ = ["Heads"]

_PARTS: Final = re.compile(r"[._ ,]+")
_AFFIXES: Final = frozenset(("", "uq", "uix", "ux", "unique", "key", "idx", "ix"))


class Heads:
    """Drafts that others may belong to, found by what they show, by their values and files."""

    def __init__(self, heads: Iterable[Draft]) -> None:
        self._heads: list[Draft] = []
        self._places: dict[int, int] = {}
        # A constraint is found by the rarest of its words: thousands of tables have a "name".
        self._named: defaultdict[str, dict[frozenset[str], set[int]]] = defaultdict(dict)
        self._by_value: defaultdict[str, set[int]] = defaultdict(set)
        self._by_file: defaultdict[str, set[int]] = defaultdict(set)
        for place, head in enumerate(heads):
            self._heads.append(head)
            self._places[id(head)] = place
            for value in head.also:
                self._by_value[value].add(place)
            for file in head.files:
                self._by_file[file].add(place)
        shown = [
            (parts, place)
            for place, head in enumerate(self._heads)
            for parts in map(_parts, head.shown)
        ]
        self._common: defaultdict[str, int] = defaultdict(int)
        for parts, _ in shown:
            for part in parts:
                self._common[part] += 1
        for parts, place in shown:
            self._show(parts, place)

    def near(self, one: Draft) -> Draft | None:
        """Return the only head with a value in common, or else the only one of the same files."""
        named = _only(self._naming(one.also))
        if named is not None:
            return self._heads[named]
        if one.also:
            # What was sent is known, and is not what was taken.
            shared = _only(chain.from_iterable(self._by_value.get(each, ()) for each in one.also))
            return None if shared is None else self._heads[shared]
        sets = sorted((self._by_file.get(file, set()) for file in one.files), key=len)
        if not sets:
            return self._heads[0] if len(self._heads) == 1 else None
        same = sets[0] if len(sets) == 1 else sets[0].intersection(*sets[1:])
        return self._heads[next(iter(same))] if len(same) == 1 else None

    def give(self, head: Draft, one: Draft) -> None:
        """Let a head take a draft; the values that it is known by stay its own."""
        place = self._places[id(head)]
        also, head.also = head.also, set()
        head.take(one)
        head.also = also
        for file in one.files:
            self._by_file[file].add(place)
        if one.rule is head.rule:
            for what in one.shown:
                self._show(_parts(what), place)

    def _show(self, parts: frozenset[str], place: int) -> None:
        if parts:
            rarest = min(parts, key=lambda part: (self._common.get(part, 0), part))
            self._named[rarest].setdefault(parts, set()).add(place)

    def _naming(self, words: set[str]) -> Iterator[int]:
        """Give the heads of whose constraints all words are among these."""
        for word in words:
            for parts, places in self._named.get(word, {}).items():
                if parts <= words:
                    yield from places


def _parts(what: str) -> frozenset[str]:
    """Return the words of a constraint's name, none where they say too little."""
    parts = [part for part in _PARTS.split(what.lower()) if part not in _AFFIXES]
    return frozenset(parts) if len(parts) > 1 else frozenset()


def _only(found: Iterable[int]) -> int | None:
    """Return the only one, looking no further than to a second."""
    first: int | None = None
    for one in found:
        if first is None:
            first = one
        elif one != first:
            return None
    return first
