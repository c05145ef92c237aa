"""Values of JSON, HSTORE and pickled objects, of text search, bytes and bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.dialects import postgresql as pg

from testkit.factories.fields.words import ADJECTIVES, NOUNS, phrase, pick

if TYPE_CHECKING:
    from random import Random

    from testkit.factories.fields.field import Draws, Field, Plain, Unique

__all__ = [
    "plain_bits",
    "plain_bytes",
    "plain_document",
    "plain_hstore",
    "plain_path",
    "plain_query",
    "plain_vector",
    "unique_bits",
    "unique_bytes",
    "unique_document",
    "unique_query",
    "unique_vector",
]

FREE_BITS: Final = 60
BYTES: Final = 16
BitString: Final[Any] = getattr(pg, "BitString", str)
"""The type of BIT's values since SQLAlchemy 2.1; before, they were texts."""


def plain_document(_field: Field) -> Plain:
    """Make objects with a text and a number."""
    return lambda random: {"name": phrase(random), "count": int(random.random() * 100)}


def plain_hstore(_field: Field) -> Plain:
    """Make one pair of texts."""
    return lambda random: {pick(random, NOUNS): pick(random, ADJECTIVES)}


def unique_document(field: Field) -> Unique:
    """Make objects with a unique text."""
    prefix, space = field.prefix, field.space
    return lambda draws: {"id": draws.text(prefix, space=space)}


def plain_vector(_field: Field) -> Plain:
    """Make the text of a vector of two words."""
    return phrase


def unique_vector(field: Field) -> Unique:
    """Make the text of a vector of one unique word."""
    prefix, space = field.prefix, field.space
    return lambda draws: f"'{draws.text(prefix, space=space)}'"


def plain_query(_field: Field) -> Plain:
    """Make the text of a query for two words."""
    return lambda random: f"{pick(random, ADJECTIVES)} & {pick(random, NOUNS)}"


unique_query = unique_vector


def plain_path(_field: Field) -> Plain:
    """Make a path to a member."""
    return lambda random: f"$.{pick(random, NOUNS)}"


def _lengths(field: Field, usual: int) -> tuple[int, int | None]:
    bounds = field.bounds.with_length(getattr(field.type, "length", None))
    size = max(usual, bounds.min_length or 0)
    return (size if bounds.max_length is None else min(size, bounds.max_length)), bounds.max_length


def plain_bytes(field: Field) -> Plain | None:
    """Make random bytes."""
    size, _ = _lengths(field, BYTES)
    if size < (field.bounds.min_length or 0):
        return None
    return lambda random: random.randbytes(size)


def unique_bytes(field: Field) -> Unique | None:
    """Make a unique text's bytes."""
    least, most = field.bounds.min_length or 0, _lengths(field, BYTES)[1]
    prefix, space = field.prefix, field.space
    if most is not None and most < max(least, 1):
        return None

    def draw(draws: Draws) -> bytes:
        # Filled up with a byte that no drawn text has.
        return draws.text(prefix, length=most, space=space).encode().ljust(least, b"\0")

    return draw


def _bits(field: Field) -> int:
    """Return how many bits are made: all of BIT(n), as many as say enough of BIT VARYING."""
    return _lengths(field, FREE_BITS)[0] if _varying(field) else field.type.length  # type: ignore[attr-defined]  # BIT


def _varying(field: Field) -> bool:
    return bool(field.type.varying)  # type: ignore[attr-defined]  # BIT


def plain_bits(field: Field) -> Plain:
    """Make random bits."""
    size = _bits(field)

    def draw(random: Random) -> object:
        return BitString(f"{random.getrandbits(size):0{size}b}")

    return draw


def unique_bits(field: Field) -> Unique:
    """Make each row of bits once."""
    size, space = _bits(field), field.space
    different = 2 ** min(size, FREE_BITS)
    return lambda draws: BitString(f"{draws.number(space, different):0{size}b}")
