"""The groups of rules, and which of them a person asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.core.messages import TestkitError, nearest
from testkit.doctor.factories import RULES
from testkit.doctor.rules import GROUPS as STATIC

if TYPE_CHECKING:
    from collections.abc import Iterable

    from testkit.core.options import Settings
    from testkit.doctor.finding import Rule

__all__ = ["ALL_RULES", "GROUPS", "READING", "beside_the_point", "selected"]

#: ``factories`` runs code of the project, on servers of its own; the others only read.
GROUPS: Final[dict[str, tuple[Rule, ...]]] = {"factories": RULES, **STATIC}
#: The codes of rules that only read.
READING: Final = frozenset(rule.code for rules in STATIC.values() for rule in rules)
ALL_RULES: Final[dict[str, Rule]] = {rule.code: rule for rules in GROUPS.values() for rule in rules}


def selected(words: Iterable[str], ignored: Iterable[str] = ()) -> frozenset[str]:
    """Return the codes of the groups and codes that the words name, parted by commas as well.

    Without a word these are all rules that only read. Those that ``ignored`` names are left out.
    Raises TK431 where nothing is left or a word names nothing, TK432 for a name that is none.
    """
    words = list(words)
    chosen = _named(words) if words else READING
    left = chosen - _named(ignored)
    if not left:
        raise TestkitError("TK431", groups=", ".join(GROUPS))
    return left


def beside_the_point(settings: Settings) -> frozenset[str]:
    """Return the codes of rules whose harm this project is kept from by its configuration."""
    # Each worker's Redis is testkit's own then, so emptying it harms nobody.
    owned = settings.configured and "://" not in settings.redis
    return frozenset(("TD401",)) if owned else frozenset()


def _named(words: Iterable[str]) -> frozenset[str]:
    names = [name.strip() for word in words for name in word.split(",") if name.strip()]
    return frozenset(code for name in names for code in _codes(name))


def _codes(name: str) -> Iterable[str]:
    if name.lower() in GROUPS:
        return [rule.code for rule in GROUPS[name.lower()]]
    if name.upper() in ALL_RULES:
        return [name.upper()]
    known = {each.casefold(): each for each in (*GROUPS, *ALL_RULES)}
    like = known[nearest(name.casefold(), known)]
    raise TestkitError("TK432", name=name, nearest=like, known=", ".join(known.values()))
