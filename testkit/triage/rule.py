"""What a rule is: a row of data with the words for a cause and the function that knows it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from testkit.triage.facts import Facts, Said

    Match = Callable[[Facts, Said], "Found | None"]

__all__ = ["Found", "Rule", "found", "says"]


@dataclass(frozen=True, slots=True)
class Found:
    """What a rule found in one failure.

    ``key`` tells two causes of one rule apart: failures with the same key have the same cause.
    ``values`` fill the title. ``threads`` tie failures together across keys: two failures of the
    rule that share a thread have one cause. ``also`` are values that another rule's failures may
    tell of. ``proof`` is False where the failure alone could be something else: without a tied one
    that is proven it stays unknown.
    """

    key: tuple[str, ...]
    values: Mapping[str, str] = field(default_factory=dict)
    threads: frozenset[str] = frozenset()
    also: frozenset[str] = frozenset()
    proof: bool = True


@dataclass(frozen=True, slots=True)
class Rule:
    """One named cause.

    ``title`` is a template over the values that ``match`` found. ``cues`` are texts of which one
    must stand in what was said for the rule to be tried (none: it always is); ``types`` the short
    names of exceptions. ``mend`` says whose place is shown: the innermost frame of the project, the
    test's own line, or what ``values["place"]`` says. ``kinds`` are the kinds of evidence shown
    first. ``doctor`` is the code of the rule of ``testkit doctor`` that finds the defect.
    """

    id: str
    title: str
    why: str
    fix: str
    match: Match
    cues: tuple[str, ...] = ()
    types: frozenset[str] = frozenset()
    mend: Literal["project", "test"] = "project"
    kinds: tuple[str, ...] = ()
    doctor: str = ""


def found(*key: str, **values: str) -> Found:
    """Return what was found, with its key and the values of the title."""
    return Found(tuple(part.strip() for part in key), values)


def says(pattern: str, *keys: str) -> Match:
    """Return a matcher: the pattern stands in what was said; its groups ``keys`` are the key.

    All named groups are values of the title; ``name2`` is another way to say ``name``. Without
    ``keys``, every failure has the same key.
    """
    searched = re.compile(pattern, re.IGNORECASE)

    def match(_: Facts, said: Said) -> Found | None:
        hit = searched.search(said.text)
        if hit is None:
            return None
        values = {name.rstrip("0123456789"): told for name, told in hit.groupdict().items() if told}
        return Found(tuple(values.get(key, "").lower() for key in keys), values)

    return match
