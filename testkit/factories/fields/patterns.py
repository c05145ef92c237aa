r"""Regular expressions of CHECK constraints, turned round: texts that match one.

What is read: literals, ``.``, classes (also POSIX ones), ``\d \w \s`` and their opposites,
groups, alternatives, counts and the anchors at both ends. Anything else is not turned round.
"""

from __future__ import annotations

import re
import string
import warnings
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from testkit.factories.fields.expressions import (
    PRINTABLE,
    Branch,
    Expression,
    Item,
    Part,
    read_expression,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from random import Random

__all__ = [
    "SURE_LENGTH",
    "TextSlot",
    "alphabets",
    "both_patterns",
    "matches",
    "sample",
    "spelled",
    "text_slot",
    "texts_in",
]

TEXT_ALPHABET: Final = frozenset(string.ascii_lowercase + string.digits + "-")
"""What ``Draws.text`` is made of."""
SURE_LENGTH: Final = 11
"""Where there is room for this many characters, ``Draws.text`` gives at least ``LEAST_LENGTH``."""
LEAST_LENGTH: Final = 9
ENOUGH_TEXTS: Final = 2**40
MOST_TEXTS: Final = 2**62


def both_patterns(one: str | None, other: str | None) -> str | None:
    """Return a pattern that is found where both are."""
    if one is None or other is None or one == other:
        return other if one is None else one
    several = dict.fromkeys(_several(one) + _several(other))
    return f"^{_AHEAD}{_BETWEEN.join(several)}))"


_AHEAD: Final = r"(?=[\s\S]*(?:"
_BETWEEN: Final = "))" + _AHEAD


def _several(pattern: str) -> list[str]:
    """Return the patterns that ``both_patterns`` put together."""
    if not pattern.startswith(f"^{_AHEAD}"):
        return [pattern]
    return pattern[1:].removeprefix(_AHEAD).removesuffix("))").split(_BETWEEN)


@lru_cache(maxsize=512)
def _read(pattern: str) -> Expression | None:
    """Read a pattern; of several, all but one must only say which characters there are."""
    expressions = [read_expression(each) for each in _several(pattern)]
    read = [expression for expression in expressions if expression is not None]
    alphabets = [chars for chars in map(_alphabet, read) if chars is not None]
    others = [expression for expression in read if _alphabet(expression) is None]
    if len(read) < len(expressions) or len(others) > 1:
        return None
    if len(read) == 1:
        return read[0]
    chars = PRINTABLE.intersection(*alphabets)
    wholes = [branch.whole() for other in others for branch in other.branches]
    narrowed = [_narrowed(whole, chars) for whole in wholes or [(Part(chars, 0, None),)]]
    branches = [Branch(items, True, True) for items in narrowed if items is not None]
    return Expression(tuple(branches)) if branches else None


def _alphabet(expression: Expression) -> frozenset[str] | None:
    """Return the characters of an expression that says no more, such as ``^[a-z]*$``."""
    match expression.branches:
        case (Branch((Part(chars, 0 | 1, None),), True, True),):
            return chars
    return None


def _narrowed(items: tuple[Item, ...], chars: frozenset[str]) -> tuple[Item, ...] | None:
    """Return items of these characters alone; None where one must have others."""
    narrowed: list[Item] = []
    for item in items:
        if isinstance(item, Part):
            left: Item | None = (
                replace(item, chars=item.chars & chars) if item.chars & chars else None
            )
        else:
            branches = [_narrowed(branch, chars) for branch in item.branches]
            kept = tuple(branch for branch in branches if branch is not None)
            left = replace(item, branches=kept) if kept else None
        if left is not None:
            narrowed.append(left)
        elif item.low > 0:
            return None
    return tuple(narrowed)


def matches(pattern: str, value: object) -> bool:
    """Say whether a text has the pattern; False where the pattern cannot be read."""
    compiled = _compiled(pattern)
    return isinstance(value, str) and compiled is not None and bool(compiled.search(value))


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    expression = _read(pattern)
    try:
        with warnings.catch_warnings():
            # What Python reads otherwise than Postgres, such as [[:alpha:]], is only warned of.
            warnings.simplefilter("error")
            return re.compile(expression.rendered() if expression else pattern)
    except (re.error, Warning, OverflowError, RecursionError):
        return None


@dataclass(frozen=True, slots=True)
class TextSlot:
    """A place in a pattern for any text of ``Draws.text``, and what stands around it."""

    head: str
    tail: str
    room: int | None


def text_slot(pattern: str, *, max_length: int | None = None, ending: str = "") -> TextSlot | None:
    """Find the place for a drawn text; ``ending`` comes last where the pattern takes it."""
    parts = _first_parts(pattern)
    for at, part in enumerate(parts):
        if part.chars >= TEXT_ALPHABET and part.low <= LEAST_LENGTH:
            head, tail = _least(parts[:at]), _tail(parts[at:], ending)
            room = _room(part.high, max_length, len(head) + len(tail))
            if room is None or room >= SURE_LENGTH:
                return TextSlot(head, tail, room)
    return None


def _tail(parts: list[Part], ending: str) -> str:
    rest = "".join(part.rendered() for part in parts[1:])
    if ending and re.fullmatch(rest, ending):
        return ending
    runs_on = parts[0].high is None and not rest
    return ending if runs_on and set(ending) <= parts[0].chars else _least(parts[1:])


def _room(high: int | None, max_length: int | None, taken: int) -> int | None:
    left = None if max_length is None else max_length - taken
    return min((size for size in (high, left) if size is not None), default=None)


def alphabets(pattern: str, *, min_length: int, max_length: int | None) -> list[str] | None:
    """Return the characters at each place of texts of one length that match.

    Two such texts that differ in one place are different without regard to case as well. As many
    places are taken as give ``ENOUGH_TEXTS``, if there are so many.
    """
    parts = [(part, _caseless(part.chars)) for part in _first_parts(pattern)]
    counts = [part.low for part, _ in parts]

    def places() -> list[str]:
        return [
            chars for (_, chars), count in zip(parts, counts, strict=True) for _ in range(count)
        ]

    most = min_length + 64 if max_length is None else max_length
    while len(places()) < min_length or texts_in(places()) < ENOUGH_TEXTS:
        wider = [
            at for at, (part, _) in enumerate(parts) if part.high is None or counts[at] < part.high
        ]
        if not wider or len(places()) >= most:
            break
        # What says more than "anything" is widened first.
        counts[min(wider, key=lambda at: (parts[at][0].chars == PRINTABLE, counts[at]))] += 1
    return places() if parts and min_length <= len(places()) <= most else None


def texts_in(places: list[str]) -> int:
    """Return how many texts there are, at most ``MOST_TEXTS``."""
    size = 1
    for chars in places:
        size = min(size * len(chars), MOST_TEXTS)
    return size


def spelled(number: int, places: list[str]) -> str:
    """Write a number with the characters of each place."""
    written = []
    for chars in reversed(places):
        number, digit = divmod(number, len(chars))
        written.append(chars[digit])
    return "".join(reversed(written))


def sample(pattern: str, random: Random, *, min_length: int, max_length: int | None) -> str | None:
    """Return a text that matches, or None where the pattern cannot be turned round."""
    expression = _read(pattern)
    if expression is None:
        return None
    branch = random.choice(expression.branches)
    parts = _expanded(branch.whole(), random.choice, random.randint)
    counts = [part.low for part in parts]
    wished = max(min_length, sum(counts) + random.randint(2, 8))
    wished = wished if max_length is None else min(wished, max_length)
    for at, part in enumerate(parts):
        spare = wished - sum(counts)
        counts[at] += max(0, spare if part.high is None else min(spare, part.high - part.low))
    return "".join(
        random.choice(_readable(part.chars))
        for part, count in zip(parts, counts, strict=True)
        for _ in range(count)
    )


def _first_parts(pattern: str) -> list[Part]:
    """Return the pattern as its first alternatives in a row; nothing where it cannot be read."""
    expression = _read(pattern)
    if expression is None:
        return []
    return _expanded(expression.branches[0].whole(), lambda branches: branches[0], _once)


def _once(low: int, high: int) -> int:
    """Take a group once where it may come once."""
    return max(low, min(1, high))


def _expanded(
    items: Iterable[Item],
    choose: Callable[[tuple[tuple[Item, ...], ...]], tuple[Item, ...]],
    count: Callable[[int, int], int],
) -> list[Part]:
    """Return the parts of one way through all groups."""
    parts: list[Part] = []
    for item in items:
        if isinstance(item, Part):
            parts.append(item)
            continue
        for _ in range(count(item.low, item.low + 1 if item.high is None else item.high)):
            parts.extend(_expanded(choose(item.branches), choose, count))
    return parts


def _least(parts: list[Part]) -> str:
    return "".join(_readable(part.chars)[0] * part.low for part in parts)


@lru_cache(maxsize=512)
def _readable(chars: frozenset[str]) -> str:
    """Return letters where there are some, else digits, else what there is."""
    for liked in (string.ascii_lowercase, string.ascii_uppercase, string.digits):
        if chars & set(liked):
            return "".join(sorted(chars & set(liked)))
    return "".join(sorted(chars - {" "} or chars))


@lru_cache(maxsize=512)
def _caseless(chars: frozenset[str]) -> str:
    """Return characters that differ without regard to case."""
    found = {char for char in chars if not (char.isupper() and char.lower() in chars)}
    alphanumeric = {char for char in found if char.isalnum()}
    return "".join(sorted(alphanumeric or found - {" "} or found))
