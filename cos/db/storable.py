"""What Postgres can store, as text and as jsonb, within the limits of the service."""

import json
import math
from typing import Final

__all__ = ["storable_object", "storable_text"]

MAX_DEPTH: Final = 32
MAX_CHARACTERS: Final = 65_536


def storable_text(text: str) -> str:
    """Return ``text``; raise ValueError if Postgres cannot store it."""
    if "\0" in text:
        raise ValueError("must not contain the character U+0000, which the database cannot store")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("must not contain a lone surrogate, which is no character")
    return text


def storable_object(value: object) -> object:
    """Return ``value``, decoded JSON; raise ValueError if jsonb cannot give it back as it is.

    Every string, number and level of it is looked at, without recursion.
    """
    pending = [(value, 1)]
    while pending:
        item, depth = pending.pop()
        if isinstance(item, dict | list) and depth > MAX_DEPTH:
            raise ValueError(f"must not be nested deeper than {MAX_DEPTH} levels")
        if isinstance(item, dict):
            pending += [(part, depth + 1) for pair in item.items() for part in pair]
        elif isinstance(item, list):
            pending += [(part, depth + 1) for part in item]
        elif isinstance(item, str):
            storable_text(item)
        elif isinstance(item, float) and not math.isfinite(item):
            raise ValueError("must not contain a number beyond the range of a double")
    if len(json.dumps(value)) > MAX_CHARACTERS:
        raise ValueError(f"must not be longer than {MAX_CHARACTERS} characters as JSON")
    return value
