r"""Regular expressions of CHECK constraints, turned round: texts that match one.

What is read: literals, ``.``, classes (also POSIX ones), ``\d \w \s`` and their opposites,
groups, alternatives, counts and the anchors at both ends. Anything else is not turned round.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from testkit.factories.fields.expressions import PRINTABLE, Expression, Item, Part
from testkit.factories.fields.several_patterns import matches, readings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from random import Random

__all__ = [
    "SURE_LENGTH",
    "TextSlot",
    "alphabets",
    "sample",
    "spelled",
    "text_slot",
    "texts_in",
]

TEXT_ALPHABET: Final = frozenset(string.ascii_lowercase + string.digits + "-")
"""What ``Draws.text`` is made of."""
SURE_LENGTH: Final = 11
"""Where there is room for so many characters, no text of ``Draws.text`` is shorter."""
PROBES: Final = ("a" * SURE_LENGTH, "0-" * SURE_LENGTH, "shop-gw1-7f3a9c2e-0042")
"""Such texts as ``Draws.text`` may give."""
ENOUGH_TEXTS: Final = 2**40
MOST_TEXTS: Final = 2**62


@dataclass(frozen=True, slots=True)
class TextSlot:
    """A place in a pattern for any text of ``Draws.text``, and what stands around it."""

    head: str
    tail: str
    room: int | None


def text_slot(pattern: str, *, max_length: int | None = None, ending: str = "") -> TextSlot | None:
    """Find the place for a drawn text; ``ending`` comes last where the pattern takes it."""
    for expression in readings(pattern):
        slot = _slot(_first_parts(expression), max_length, ending)
        if slot and all(
            matches(pattern, f"{slot.head}{text[: slot.room]}{slot.tail}") for text in PROBES
        ):
            return slot
    return None


def _slot(parts: list[Part], max_length: int | None, ending: str) -> TextSlot | None:
    for at, part in enumerate(parts):
        if part.chars >= TEXT_ALPHABET and part.low <= SURE_LENGTH:
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
    for expression in readings(pattern):
        places = _places(_first_parts(expression), min_length, max_length)
        if places and all(matches(pattern, spelled(number, places)) for number in _tried(places)):
            return places
    return None


def _tried(places: list[str]) -> range:
    size = texts_in(places)
    return range(0, size, max(1, size // 16))


def _places(first: list[Part], min_length: int, max_length: int | None) -> list[str] | None:
    parts = [(part, _caseless(part.chars)) for part in first]
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
    """Return a text for the pattern, or None where it cannot be turned round.

    It matches, unless several patterns were put together.
    """
    expressions = readings(pattern)
    if not expressions:
        return None
    branch = random.choice(random.choice(expressions).branches)
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


def _first_parts(expression: Expression) -> list[Part]:
    """Return an expression as its first alternatives in a row."""
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
