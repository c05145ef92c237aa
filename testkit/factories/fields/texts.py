"""Values of text types."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Final
from zlib import crc32

import sqlalchemy as sa

from testkit.factories.fields.patterns import (
    SURE_LENGTH,
    alphabets,
    sample,
    spelled,
    text_slot,
    texts_in,
)
from testkit.factories.fields.words import by_name, is_email, is_url, letters, phrase

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.factories.fields.bounds import Bounds
    from testkit.factories.fields.field import Draws, Field, Plain, Unique

__all__ = ["plain_text", "unique_text"]

LONGEST: Final = 100
"""No text made by a column's name is longer."""
POOL: Final = 64
FILLER: Final = "."
"""Fills a drawn text up; no drawn text has it, so that no two become equal."""
DOMAIN: Final = "@example.com"
SITE: Final = "https://example.com/"


def plain_text(field: Field) -> Plain | None:
    """Make texts by the column's name; where it has constraints, out of a few that hold to them."""
    bounds, make = _bounds(field), by_name(field.name)
    if _is_free(bounds):
        return make
    pool = _pool(bounds, make, Random(crc32(field.name.encode())))  # noqa: S311 - the same each time
    size = len(pool)
    return (lambda random: pool[int(random.random() * size)]) if pool else None


def unique_text(field: Field) -> Unique | None:
    """Make texts that begin with the field's prefix, in lower case."""
    bounds = _bounds(field)
    if bounds.max_length is not None and bounds.max_length < (bounds.min_length or 1):
        return None
    draw = _matching(field, bounds) if bounds.pattern else _drawn(field, bounds)
    return draw if draw is None else _admitted(draw, bounds)


def _bounds(field: Field) -> Bounds:
    bounds = field.bounds.with_length(getattr(field.type, "length", None))
    bounds = replace(bounds, low=None, high=None)  # a text is compared with no number or day
    if not isinstance(field.type, (sa.CHAR, sa.NCHAR)):
        return bounds
    bounds = bounds.with_length(field.type.length or 1)
    if bounds.min_length is None:
        # Postgres fills CHAR(n) with blanks: a full value is read back as it was written.
        return replace(bounds, min_length=bounds.max_length)
    return bounds


def _is_free(bounds: Bounds) -> bool:
    return (
        bounds.pattern is None
        and (bounds.min_length or 0) <= 1
        and (bounds.max_length is None or bounds.max_length >= LONGEST)
        and not any(bounds.excluded)
    )


def _pool(bounds: Bounds, make: Callable[[Random], str], random: Random) -> list[str]:
    """Return texts that hold to the bounds, the more telling ones if there are some."""
    low, high = bounds.min_length or 1, bounds.max_length

    def fitted() -> str:
        words = letters(random, high) if high is not None and high <= LETTERS else phrase(random)
        while len(words) < low:
            words += f" {phrase(random)}"
        return _cut(words, high)

    def matching() -> str | None:
        return bounds.pattern and sample(
            bounds.pattern, random, min_length=bounds.min_length or 0, max_length=high
        )

    found: list[str] = []

    def lower() -> str:
        return make(random).lower()

    def upper() -> str:
        return _cut(make(random).upper(), high)

    for maker in (lambda: make(random), lower, fitted, upper, matching):
        tried = (maker() for _ in range(2 * POOL))
        found = list(dict.fromkeys(text for text in tried if text and bounds.admits(text)))
        if len(found) >= POOL // 8:
            break
    return found[:POOL]


LETTERS: Final = 6
"""Shorter texts are letters, for words do not fit."""


def _cut(words: str, high: int | None) -> str:
    """Cut to a length; a blank at the end would be lost in a CHAR."""
    cut = words[:high]
    return cut[:-1] + "s" if cut.endswith(" ") else cut


def _drawn(field: Field, bounds: Bounds) -> Unique:
    prefix, space = field.prefix, field.space
    length, least = bounds.max_length, bounds.min_length or 0
    head, tail = _surroundings(field.name)
    room = None if length is None else length - len(head) - len(tail)
    if room is not None and room < SURE_LENGTH:
        head, tail, room = "", "", length
    if not (head or tail or least > 1):
        return lambda draws: draws.text(prefix, length=room, space=space)
    inside = least - len(head) - len(tail)

    def draw(draws: Draws) -> str:
        text = draws.text(prefix, length=room, space=space)
        return f"{head}{text.ljust(inside, FILLER)}{tail}"

    return draw


def _surroundings(name: str) -> tuple[str, str]:
    return (SITE if is_url(name) else ""), (DOMAIN if is_email(name) else "")


def _matching(field: Field, bounds: Bounds) -> Unique | None:
    pattern, low, high = bounds.pattern or "", bounds.min_length or 0, bounds.max_length
    prefix, space = field.prefix, field.space
    slot = text_slot(pattern, max_length=high, ending=_surroundings(field.name)[1])
    if slot is not None and low <= SURE_LENGTH:
        head, tail, room = slot.head, slot.tail, slot.room
        return lambda draws: f"{head}{draws.text(prefix, length=room, space=space)}{tail}"
    places = alphabets(pattern, min_length=low, max_length=high)
    if places is None:
        return None
    size = texts_in(places)
    return lambda draws: spelled(draws.number(space, size), places)


def _admitted(draw: Unique, bounds: Bounds) -> Unique:
    """Draw again what is excluded."""
    excluded = frozenset(bounds.excluded)
    if not any(excluded):  # only the empty text, which is never drawn
        return draw

    def again(draws: Draws) -> object:
        while (text := draw(draws)) in excluded:
            pass
        return text

    return again
