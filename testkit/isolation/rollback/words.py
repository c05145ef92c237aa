"""What the text of a statement tells of it, for a transaction that must not end."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, Literal, NamedTuple

__all__ = ["Statement", "read"]

Kind = Literal[
    "begin", "commit", "rollback", "savepoint", "release", "rollback to", "prepare", "set", "other"
]

_BEFORE: Final = r"(?:\s|--[^\n]*\n|/\*.*?\*/)*"
_WORK: Final = r"(?:\s+(?:WORK|TRANSACTION))?"
_NAME: Final = r'(?P<name>"[^"]+"|\w+)'
_KINDS: Final[tuple[tuple[Kind, re.Pattern[str]], ...]] = tuple(
    (kind, re.compile(_BEFORE + pattern + r"\s*;?\s*\Z", re.IGNORECASE | re.DOTALL))  # type: ignore[misc]
    for kind, pattern in (
        ("begin", r"(?:BEGIN|START\s+TRANSACTION)\b[^;]*"),
        ("prepare", r"PREPARE\s+TRANSACTION\b.*"),
        ("rollback to", rf"ROLLBACK{_WORK}\s+TO(?:\s+SAVEPOINT)?\s+{_NAME}"),
        ("savepoint", rf"SAVEPOINT\s+{_NAME}"),
        ("release", rf"RELEASE(?:\s+SAVEPOINT)?\s+{_NAME}"),
        ("commit", rf"(?:COMMIT|END){_WORK}(?:\s+AND\s+(?:NO\s+)?CHAIN)?"),
        ("rollback", rf"(?:ROLLBACK|ABORT){_WORK}(?:\s+AND\s+(?:NO\s+)?CHAIN)?"),
        ("set", r"SET\s+(?:LOCAL\s+)?(?:TRANSACTION|transaction_\w+)\b[^;]*"),
    )
)
# One of these at the beginning is all that a statement which asks begins with.
_CONTROLS: Final = re.compile(
    _BEFORE + r"(?:BEGIN|START|PREPARE|ROLLBACK|ABORT|SAVEPOINT|RELEASE|COMMIT|END|SET)\b",
    re.IGNORECASE | re.DOTALL,
)
_READS: Final = re.compile(
    _BEFORE + r"\(*\s*(?:SELECT|SHOW|VALUES|TABLE|FETCH|MOVE|CLOSE|DECLARE|SAVEPOINT|RELEASE)\b",
    re.IGNORECASE | re.DOTALL,
)
_READS_WITH: Final = re.compile(_BEFORE + r"WITH\b", re.IGNORECASE | re.DOTALL)
_WRITES: Final = re.compile(
    # SELECT … FOR UPDATE only locks.
    r"\b(?:INSERT|(?<!for )(?<!key )UPDATE|DELETE|MERGE|INTO|set_config|setval|lo_\w+)\b",
    re.IGNORECASE,
)
_NOTIFIES: Final = re.compile(
    r"\A" + _BEFORE + r"(?:NOTIFY|LISTEN)\b|\bpg_notify\s*\(", re.IGNORECASE | re.DOTALL
)
_TAKES_TIME: Final = re.compile(
    r"\bnow\s*\(\s*\)|\bcurrent_timestamp\b|\btransaction_timestamp\s*\(|\blocaltimestamp\b",
    re.IGNORECASE,
)
_INSERTS: Final = re.compile(
    _BEFORE + r'INSERT\s+INTO\s+(?:(?:"[^"]+"|\w+)\s*\.\s*)?(?P<table>"[^"]+"|\w+)',
    re.IGNORECASE | re.DOTALL,
)
_LEVEL: Final = re.compile(r"\b(?:ISOLATION|READ\s+ONLY|DEFERRABLE)\b", re.IGNORECASE)


class Statement(NamedTuple):
    """A statement: what it does to the transaction, and what a transaction that stays cannot show.

    ``name`` is of a savepoint, ``table`` the one into which is inserted; ``writes`` may be true of
    one that only reads. A string that holds several statements is read by its first.
    """

    kind: Kind
    name: str | None
    writes: bool
    notifies: bool
    takes_time: bool
    table: str | None
    characteristics: bool


@lru_cache(maxsize=512)
def read(text: str) -> Statement:
    """Return what a statement's text tells."""
    kind: Kind = "other"
    name = None
    if _CONTROLS.match(text):
        for kind_, pattern in _KINDS:
            if found := pattern.match(text):
                kind, name = kind_, found.groupdict().get("name")
                break
    reads = _READS.match(text) or _READS_WITH.match(text)
    inserts = _INSERTS.match(text)
    return Statement(
        kind,
        _plain(name),
        not reads or bool(_WRITES.search(text)),
        bool(_NOTIFIES.search(text)),
        bool(_TAKES_TIME.search(text)),
        _plain(inserts["table"]) if inserts else None,
        kind in {"begin", "set"} and bool(_LEVEL.search(text)),
    )


def _plain(name: str | None) -> str | None:
    """Return an identifier as the catalogs have it."""
    if name is None:
        return None
    return name[1:-1] if name.startswith('"') else name.lower()
