"""Statements of Postgres as rules and the log name them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from testkit.faults.protocols.steps import Noted

__all__ = ["LONGEST_SQL", "Statement", "statement", "table_pattern"]

#: So much of a statement is read, in bytes.
LONGEST_SQL: Final = 64 * 1024
#: Comments and constants, which hold no keyword or table; names in quotes, which are kept.
#: What never ends goes to the end: no place is looked at twice.
_NO_WORDS: Final = re.compile(
    r"""("[^"]*+(?:""[^"]*+)*+(?:"|\Z))
    |--[^\n]*+
    |/\*.*?(?:\*/|\Z)
    |\b[eE]'[^'\\]*+(?:(?:\\.|'')[^'\\]*+)*+(?:'|\\?\Z)
    |'[^']*+(?:''[^']*+)*+(?:'|\Z)
    |(?<![\w$])(\$(?:[A-Za-z_]\w*+)?\$).*?(?:\2|\Z)""",
    re.DOTALL | re.VERBOSE,
)
_QUOTED: Final = re.compile(r'"(?:[^"]|"")*"')
_KEYWORD: Final = re.compile(r"[\s(]*([A-Za-z]+)")
_NAME: Final = r'(?:"[^"]+"|[\w$]+)'
_TABLE: Final = re.compile(
    rf"\b(?:INTO|FROM|UPDATE|COPY|TRUNCATE)\s+(?:ONLY\s+|TABLE\s+)?({_NAME}(?:\s*\.\s*{_NAME})*)",
    re.IGNORECASE,
)
_MOST_SHOWN: Final = 60
#: Words for the same: a rule for either means both.
_SAME: Final = {"END": "COMMIT", "ABORT": "ROLLBACK", "START": "BEGIN"}
#: Statements are remembered by their text, as each is read by regular expressions.
_MOST_STATEMENTS: Final = 2000
_LONGEST_REMEMBERED: Final = 4096
_WITH_COMMIT: Final = re.compile(r"\s*(?:COMMIT|END)\b(?!\s+PREPARED\b)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """One text that the server executes; of a long one, its first 64 KiB.

    ``names``: the first keywords of the statements in it; ``listeners``: the names of rules
    that may strike it, None for those without one. ``words``: the text without comments and
    constants. ``commits``: it is a COMMIT.
    """

    sql: str
    words: str
    names: tuple[str, ...]
    listeners: frozenset[str | None]
    commits: bool
    asked: Noted = field(repr=False)
    answered: Noted = field(repr=False)


_known: Final[dict[bytes, Statement]] = {}


def statement(text: bytes) -> Statement:
    """Return what is known of a statement."""
    found = _known.get(text)
    if found is None:
        found = _read(text)
        if len(text) <= _LONGEST_REMEMBERED:
            if len(_known) >= _MOST_STATEMENTS:
                _known.clear()
            _known[text] = found
    return found


def table_pattern(table: str) -> re.Pattern[str]:
    """Return what finds a table's name as a word: in any case, quoted or with its schema."""
    parts = [rf'"?{re.escape(part)}"?' for part in table.replace('"', "").split(".")]
    return re.compile(r"(?<![\w$])" + r"\s*\.\s*".join(parts) + r"(?![\w$])", re.IGNORECASE)


def _read(text: bytes) -> Statement:
    sql = text[:LONGEST_SQL].decode("utf-8", "replace")
    words = _NO_WORDS.sub(lambda found: found[1] or " ", sql)
    parts = _QUOTED.sub('""', words).split(";")
    found = [match[1].upper() for part in parts if (match := _KEYWORD.match(part))]
    names = dict.fromkeys(name for word in found for name in (word, _SAME.get(word, word)))
    table = _TABLE.search(words)
    shown = " ".join([*found[:1], *([table[1].replace('"', "")] if table else [])])
    shown = shown[:_MOST_SHOWN] or "of no statement"
    return Statement(
        sql=sql,
        words=words,
        names=tuple(names),
        listeners=frozenset([*names, None]),
        commits=_WITH_COMMIT.match(words) is not None,
        asked=Noted(f"request {shown}", None, "request"),
        answered=Noted(f"reply to {shown}", None, "reply"),
    )
