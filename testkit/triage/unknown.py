"""What no rule knows: failures that look alike, kept apart where nothing ties them together."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from testkit.core.runs.masking import without_variables

if TYPE_CHECKING:
    from testkit.triage.facts import Facts

__all__ = ["MOST", "masked", "unknown_key"]

_QUOTED: Final = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"")
_NUMBER: Final = re.compile(r"\b\d+\b")
MOST: Final = 200
_WORDS: Final = re.compile(r"[A-Za-z]{3,}")
_BARE: Final = frozenset(
    ("assert", "none", "true", "false", "not", "and", "path", "time", "uuid", "hex", "address")
)


@lru_cache(maxsize=8_192)
def masked(text: str) -> str:
    """Return the text without what varies; most failures of a run say one of a few things."""
    return without_variables(text)


def unknown_key(facts: Facts) -> tuple[str, ...]:
    """Return what failures share that are alike: type, message without what varies, and place.

    Where the project's own code failed, quoted values and the case of letters do not matter, and
    nothing of the message does where one statement with a text of its own raised it. Where
    only the test did, the message must say enough to stand for a cause; a bare comparison is a
    cause of its own test, whatever the parameters.
    """
    own = facts.own
    first = masked(own.first[:MOST])
    place = facts.place
    if place and (line := _raised_with(facts)):
        return (own.type, line, place)
    if place:
        return (own.type, _QUOTED.sub("'…'", first).casefold(), place)
    compared = facts.compared if own.type in {"AssertionError", ""} else None
    words = {word.casefold() for word in _WORDS.findall(first)} - _BARE
    if compared is not None and "status" not in f"{facts.line}{own.text}".casefold():
        # What of these numbers looks like a status of HTTP is none.
        first = _NUMBER.sub("<n>", first)
    if compared is not None or not words or own.type in {"KeyError", "IndexError", "StopIteration"}:
        return (own.type, _QUOTED.sub("'…'", first).casefold(), facts.base)
    return (own.type, first.casefold(), "")


def _raised_with(facts: Facts) -> str:
    """Return the statement of the project that raised this with a text of its own, else "".

    `raise error` hands on what others made, and says nothing of what it is.
    """
    frames = facts.root.frames if facts.root else ()
    if not frames or frames[-1].owner != "project":
        return ""
    line = frames[-1].text.strip()
    return line if line.startswith("raise ") and ("'" in line or '"' in line) else ""
