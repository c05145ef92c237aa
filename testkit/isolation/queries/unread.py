"""Whether anything but factories read, or may have read, the tables that factories wrote to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal

from testkit.isolation.queries.facts import Recording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from testkit.isolation.queries.facts import Sent

__all__ = ["Schema", "StatementsOfTest", "Use", "use_of"]

#: What became of the rows: ``unclear`` where that cannot be told, or nobody saw them written.
Use = Literal["read", "unread", "unclear"]
#: A statement, and whether factories sent it to write rows of this test.
Told = tuple[bool, str]

_NAME: Final = r'(?:"(?:[^"]|"")*"|[\w$]+)'
_INSERT: Final = re.compile(rf"\bINSERT\s+INTO\s+((?:{_NAME}\s*\.\s*)*)({_NAME})", re.IGNORECASE)
_QUOTED: Final = re.compile(r'"(?:[^"]|"")*"')
_WORD: Final = re.compile(r"[\w$]+")
# Only these check foreign keys and fire triggers. FOR UPDATE is taken for one: no harm.
_WRITES: Final = frozenset({"insert", "update", "delete", "merge", "copy", "truncate", "do"})
# They say nothing about the statement that they run.
_HIDES: Final = frozenset({"execute", "fetch", "call"})


@dataclass(frozen=True, slots=True)
class Schema:
    """What the database says about names, all in lower case and without their schema.

    ``references`` are pairs of tables, the one with the foreign key first. What is in ``opaque``
    (views, functions, partitions) may read any table when it is named, what is in ``triggered``
    when it is written.
    """

    references: frozenset[tuple[str, str]]
    opaque: frozenset[str]
    triggered: frozenset[str]


class StatementsOfTest(Recording):
    """What is sent while a test runs; ``for_whom`` answers for whom a factory sends it."""

    def __init__(self, for_whom: Callable[[], Literal["nobody", "test", "others"]]) -> None:
        super().__init__(detailed=False)
        self._for_whom = for_whom
        self.told: list[Told] = []

    def add(self, sent: Sent) -> None:
        """Note a statement that is about to be sent."""
        whom = self._for_whom()
        if whom != "others":
            self.told.append((whom == "test", sent.statement))


_DEFINES: Final = frozenset(("create", "alter"))


def use_of(statements: Iterable[Told], look_up: Callable[[], Schema]) -> Use:
    """Return what became of the rows that factories wrote.

    A statement of others counts from the first row of a table on. It reads a table if it names it,
    in whatever way: words are compared, nothing is parsed. ``look_up`` is called only where
    others sent something, and none of it names a table.
    """
    tables: set[str] = set()
    others: list[frozenset[str]] = []
    defines = False
    for of_factory, statement in statements:
        if of_factory:
            tables |= _inserted_into(statement)
            continue
        words = _words(statement)
        defines = defines or bool(words & _DEFINES)
        if words & tables:
            return "read"
        if tables:
            others.append(words)
    if not tables or (defines and others):
        return "unclear"  # a view of the test's own is gone by now
    return _use_by_others(tables, others, look_up()) if others else "unread"


def _use_by_others(tables: set[str], others: list[frozenset[str]], schema: Schema) -> Use:
    near = {one for pair in schema.references if tables & {*pair} for one in pair}
    unclear = False
    for words in others:
        writes = bool(words & _WRITES)
        if writes and words & near:
            return "read"  # its check of a foreign key did
        opaque = words & (schema.opaque | _HIDES)
        unclear = unclear or bool(opaque or (writes and words & schema.triggered))
    return "unclear" if unclear else "unread"


@lru_cache(maxsize=1024)
def _inserted_into(statement: str) -> frozenset[str]:
    return frozenset(_unquoted(match[2]).lower() for match in _INSERT.finditer(statement))


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


@lru_cache(maxsize=1024)
def _words(statement: str) -> frozenset[str]:
    # Those in texts and comments too: code that is quoted may be run.
    quoted = (_unquoted(name).lower() for name in _QUOTED.findall(statement))
    return frozenset({*quoted, *_WORD.findall(statement.lower())})
