"""Several regular expressions that must be found in the same text."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace
from functools import lru_cache
from typing import Final

from testkit.factories.fields.expressions import (
    PRINTABLE,
    Branch,
    Expression,
    Item,
    Part,
    read_expression,
)

__all__ = ["both_patterns", "matches", "readings"]

_AHEAD: Final = r"(?=[\s\S]*(?:"
_BETWEEN: Final = "))" + _AHEAD


def both_patterns(one: str | None, other: str | None) -> str | None:
    """Return a pattern that is found where both are."""
    if one is None or other is None or one == other:
        return other if one is None else one
    several = dict.fromkeys(_several(one) + _several(other))
    return f"^{_AHEAD}{_BETWEEN.join(several)}))"


def _several(pattern: str) -> list[str]:
    """Return the patterns that ``both_patterns`` put together."""
    if not pattern.startswith(f"^{_AHEAD}"):
        return [pattern]
    return pattern[1:].removeprefix(_AHEAD).removesuffix("))").split(_BETWEEN)


def matches(pattern: str, value: object) -> bool:
    """Say whether a text has the pattern; False where the pattern cannot be read."""
    compiled = [_compiled(each) for each in _several(pattern)]
    return isinstance(value, str) and all(each and each.search(value) for each in compiled)


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    expression = read_expression(pattern)
    try:
        with warnings.catch_warnings():
            # What Python reads otherwise than Postgres, such as [[:alpha:]], is only warned of.
            warnings.simplefilter("error")
            return re.compile(expression.rendered() if expression else pattern)
    except (re.error, Warning, OverflowError, RecursionError):
        return None


@lru_cache(maxsize=512)
def readings(pattern: str) -> tuple[Expression, ...]:
    """Return expressions whose texts may match; of several patterns, one for each.

    What the others say of characters is kept to; whether texts match them has to be seen.
    """
    expressions = [read_expression(each) for each in _several(pattern)]
    read = [expression for expression in expressions if expression is not None]
    if len(expressions) == 1 or len(read) < len(expressions):
        return tuple(read) if len(read) == len(expressions) else ()
    alphabets = [chars for chars in map(_alphabet, read) if chars is not None]
    chars = PRINTABLE.intersection(*alphabets)
    others = [expression for expression in read if _alphabet(expression) is None] or read[:1]
    return tuple(narrowed for each in others if (narrowed := _narrowed(each, chars)).branches)


def _alphabet(expression: Expression) -> frozenset[str] | None:
    """Return the characters of an expression that says no more, such as ``^[a-z]*$``."""
    match expression.branches:
        case (Branch((Part(chars, 0 | 1, None),), True, True),):
            return chars
    return None


def _narrowed(expression: Expression, chars: frozenset[str]) -> Expression:
    items = [_narrowed_items(branch.whole(), chars) for branch in expression.branches]
    return Expression(tuple(Branch(each, True, True) for each in items if each is not None))


def _narrowed_items(items: tuple[Item, ...], chars: frozenset[str]) -> tuple[Item, ...] | None:
    """Return items of these characters alone; None where one must have others."""
    narrowed: list[Item] = []
    for item in items:
        left = _narrowed_item(item, chars)
        if left is not None:
            narrowed.append(left)
        elif item.low > 0:
            return None
    return tuple(narrowed)


def _narrowed_item(item: Item, chars: frozenset[str]) -> Item | None:
    if isinstance(item, Part):
        return replace(item, chars=item.chars & chars) if item.chars & chars else None
    branches = [_narrowed_items(branch, chars) for branch in item.branches]
    kept = tuple(branch for branch in branches if branch is not None)
    return replace(item, branches=kept) if kept else None
