"""SQL without what differs from one sending to the next."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

__all__ = ["controls_transaction", "normalised", "on_one_line", "shortened"]

# No form of it may match two comments at once: a failing match would try every division.
_COMMENT: Final = r"/\*(?:[^*]|\*(?!/))*\*/"
_TOKEN: Final = re.compile(
    rf"""
    (?P<blank>(?:\s|{_COMMENT}|--[^\n]*)+)
    |(?P<name>"(?:[^"]|"")*")
    |(?P<value>
        (?<!\w)[eE]'(?:[^'\\]|\\.|'')*'
        |(?:(?<!\w)(?:[bBxXnN]|[uU]&))?'(?:[^']|'')*'
        |(?<!\w)\$(?P<tag>(?:[A-Za-z_]\w*)?)\$.*?\$(?P=tag)\$
        |%\([^)]*\)s|%s|(?<!\w)\$\d+
        |(?<![\w.$])\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?!\w)
    )
    """,
    re.VERBOSE | re.DOTALL,
)
_ITEM: Final = r"\?(?:::[\w ]+(?:\[\])?)?"
_IN: Final = re.compile(rf"\bIN \(({_ITEM})(?:, {_ITEM})*\)")
# The rows of one INSERT for many: (?, ?), (?, ?), …
_ROWS: Final = re.compile(r"(\([^()]*\))(?:, ?\1)+")
_TRANSACTION: Final = re.compile(
    rf"(?:\s|{_COMMENT}|--[^\n]*\n)*(?:BEGIN|START\s+TRANSACTION|COMMIT|END|ROLLBACK|ABORT|SAVEPOINT"
    r"|RELEASE|PREPARE\s+TRANSACTION)\b[^;]*;?\s*\Z",
    re.IGNORECASE | re.DOTALL,
)


def controls_transaction(sql: str) -> bool:
    """Return whether this is BEGIN, COMMIT, ROLLBACK, SAVEPOINT or the like, and nothing else."""
    return _TRANSACTION.match(sql) is not None


@lru_cache(maxsize=1024)
def normalised(sql: str) -> str:
    """Return the statement with ``?`` for each value, lists of values as one, on one line.

    Two statements that differ in values, in the length of an IN or of VALUES, in comments or in
    layout are the same here. Names keep their case.
    """
    text = _TOKEN.sub(_replacement, sql).strip("; ")
    return _ROWS.sub(r"\1, …", _IN.sub(r"IN (\1, …)", text.replace(" ,", ",")))


def shortened(text: str, most: int) -> str:
    """Return the text with its middle left out where it is longer: both ends tell the most."""
    if len(text) <= most:
        return text
    head = most * 3 // 5
    return f"{text[:head].rstrip()} … {text[head - most + 3 :].lstrip()}"


def on_one_line(sql: str, most: int) -> str:
    """Return the statement as it was sent, but on one line and shortened: messages have lines."""
    return shortened(" ".join(sql.split()), most)


def _replacement(match: re.Match[str]) -> str:
    if match["blank"] is not None:
        return " "
    return "?" if match["value"] is not None else match[0]
