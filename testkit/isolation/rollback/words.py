"""What the text of a statement tells of it, for a transaction that must not end."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, Literal, NamedTuple

__all__ = ["Statement", "read"]

Kind = Literal[
    "begin", "commit", "rollback", "savepoint", "release", "rollback to", "prepare", "set", "other"
]

_FLAGS: Final = re.IGNORECASE | re.DOTALL
_SPACE: Final = r"(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*"
_WORK: Final = r"(?:\s+(?:WORK|TRANSACTION))?"
_NAME: Final = r'(?P<name>"[^"]+"|\w+)'
_PATTERNS: Final[tuple[tuple[Kind, str], ...]] = (
    ("begin", r"(?:BEGIN|START\s+TRANSACTION)\b[^;]*"),
    ("prepare", r"PREPARE\s+TRANSACTION\b.*"),
    ("rollback to", rf"ROLLBACK{_WORK}\s+TO(?:\s+SAVEPOINT)?\s+{_NAME}"),
    ("savepoint", rf"SAVEPOINT\s+{_NAME}"),
    ("release", rf"RELEASE(?:\s+SAVEPOINT)?\s+{_NAME}"),
    ("commit", rf"(?:COMMIT|END){_WORK}(?:\s+AND\s+(?:NO\s+)?CHAIN)?"),
    ("rollback", rf"(?:ROLLBACK|ABORT){_WORK}(?:\s+AND\s+(?:NO\s+)?CHAIN)?"),
    ("set", r"SET\s+(?:LOCAL\s+)?(?:TRANSACTION|transaction_\w+)\b[^;]*"),
)
_KINDS: Final = tuple(
    (kind, re.compile(rf"{_SPACE}{pattern}{_SPACE};?{_SPACE}\Z", _FLAGS))
    for kind, pattern in _PATTERNS
)
# With one of these begins all that does something to the transaction.
_CONTROLS: Final = re.compile(
    rf"{_SPACE}(?:BEGIN|START|PREPARE|ROLLBACK|ABORT|SAVEPOINT|RELEASE|COMMIT|END|SET)\b", _FLAGS
)
_READS: Final = re.compile(
    rf"{_SPACE}\(*\s*(?:(?:SELECT|SHOW|VALUES|TABLE|FETCH|MOVE|CLOSE|DECLARE|SAVEPOINT|RELEASE|WITH"
    r"|SET|RESET|EXPLAIN(?!.*\bANALY[SZ]E\b))\b|;?\s*\Z)",
    _FLAGS,
)
_WRITES: Final = re.compile(
    # SELECT … FOR UPDATE only locks, EXPLAIN only plans.
    r"\b(?:INSERT|(?<!for )(?<!key )UPDATE|DELETE|MERGE|INTO|setval|lo_\w+)\b",
    re.IGNORECASE,
)
_EXPLAINS: Final = re.compile(rf"{_SPACE}EXPLAIN(?!.*\bANALY[SZ]E\b)", _FLAGS)
_NOTIFIES: Final = re.compile(
    rf"\A{_SPACE}(?:NOTIFY|LISTEN)\b|\bpg_notify\s*\(", re.IGNORECASE | re.DOTALL
)
_TAKES_TIME: Final = re.compile(
    r"\bnow\s*\(\s*\)|\bcurrent_timestamp\b|\btransaction_timestamp\s*\(|\blocaltimestamp\b",
    re.IGNORECASE,
)
_INSERTS: Final = re.compile(
    rf'{_SPACE}INSERT\s+INTO\s+(?:(?:"[^"]+"|\w+)\s*\.\s*)?(?P<table>"[^"]+"|\w+)', _FLAGS
)
_LEVEL: Final = re.compile(
    r"\b(?:REPEATABLE\s+READ|SERIALIZABLE|READ\s+ONLY|DEFERRABLE)\b", re.IGNORECASE
)
# What the end of a transaction, or another transaction, would be needed for.
_OF_ITS_OWN: Final = re.compile(
    r"\b(?:NOWAIT|SKIP\s+LOCKED|pg_try_advisory\w*|ON\s+COMMIT\s+(?:DROP|DELETE\s+ROWS))\b",
    re.IGNORECASE,
)
_DEFINES: Final = re.compile(rf"{_SPACE}(?:CREATE|ALTER|DROP)\b", _FLAGS)
_FUNCTION: Final = re.compile(
    r"\bCREATE\s+(?:OR\s+REPLACE\s+)?(?:FUNCTION|PROCEDURE)\s+(?:\w+\.)?(\w+)", re.IGNORECASE
)
_CALLS: Final = re.compile(r"\b([a-z_]\w*)\s*\(", re.IGNORECASE)
_SET_LOCAL: Final = re.compile(
    rf"{_SPACE}SET\s+LOCAL\s+(?:(?P<role>ROLE)|(?P<zone>TIME\s+ZONE)|(?P<name>[\w.]+))", _FLAGS
)
_SET_CONFIG: Final = re.compile(
    r"\bset_config\s*\(\s*'([\w.]+)'\s*,.*?,\s*(?:true|'true'|'t')\s*\)", _FLAGS
)


class Statement(NamedTuple):
    """A statement: what it does to the transaction, and what a transaction that stays cannot show.

    ``name`` is of a savepoint, ``table`` the one into which is inserted, ``calls`` what looks like
    a function's name, ``local`` the settings that are to last as long as the transaction.
    ``of_its_own`` is true where it means the transaction's end, or another transaction. A string
    that holds several statements is read by its first.
    """

    kind: Kind
    name: str | None
    writes: bool
    notifies: bool
    takes_time: bool
    table: str | None
    of_its_own: bool
    defines: bool
    function: str | None
    calls: frozenset[str]
    local: tuple[str, ...]


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
    inserts, function = _INSERTS.match(text), _FUNCTION.search(text)
    return Statement(
        kind,
        _plain(name),
        writes=not _READS.match(text) or bool(_WRITES.search(text) and not _EXPLAINS.match(text)),
        notifies=bool(_NOTIFIES.search(text)),
        takes_time=bool(_TAKES_TIME.search(text)),
        table=_plain(inserts["table"]) if inserts else None,
        of_its_own=bool(
            _OF_ITS_OWN.search(text) or (kind in {"begin", "set"} and _LEVEL.search(text))
        ),
        defines=bool(_DEFINES.match(text)),
        function=function[1].lower() if function else None,
        calls=frozenset(each.lower() for each in _CALLS.findall(text)),
        local=_local(text, kind),
    )


def _local(text: str, kind: Kind) -> tuple[str, ...]:
    names = [each.lower() for each in _SET_CONFIG.findall(text)]
    if kind == "other" and (found := _SET_LOCAL.match(text)):
        names.append("role" if found["role"] else "timezone" if found["zone"] else found["name"])
    return tuple(names)


def _plain(name: str | None) -> str | None:
    """Return an identifier as the catalogs have it."""
    if name is None:
        return None
    return name[1:-1] if name.startswith('"') else name.lower()
