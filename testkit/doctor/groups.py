"""The groups of rules, and which of them a person asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.core.messages import TestkitError, nearest
from testkit.doctor.factories import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from testkit.doctor.finding import Rule

__all__ = ["ALL_RULES", "GROUPS", "selected"]

GROUPS: Final[dict[str, tuple[Rule, ...]]] = {"factories": RULES}
ALL_RULES: Final[dict[str, Rule]] = {rule.code: rule for rules in GROUPS.values() for rule in rules}


def selected(words: Iterable[str]) -> frozenset[str]:
    """Return the codes of the groups and codes that the words name, parted by commas as well.

    Raises TK431 where they name nothing, TK432 for a name that is none.
    """
    names = [name.strip() for word in words for name in word.split(",") if name.strip()]
    if not names:
        raise TestkitError("TK431", groups=", ".join(GROUPS))
    return frozenset(code for name in names for code in _codes(name))


def _codes(name: str) -> Iterable[str]:
    if name.lower() in GROUPS:
        return [rule.code for rule in GROUPS[name.lower()]]
    if name.upper() in ALL_RULES:
        return [name.upper()]
    known = {each.casefold(): each for each in (*GROUPS, *ALL_RULES)}
    like = known[nearest(name.casefold(), known)]
    raise TestkitError("TK432", name=name, nearest=like, known=", ".join(known.values()))
