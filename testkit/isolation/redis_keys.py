"""The keys of a Redis that wider-scoped fixtures set, put back behind each test."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from testkit.isolation.layers import Layers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from testkit.isolation.redis_link import Command, Link

__all__ = ["Keys"]

_AT_ONCE: Final = 500  # keys in one round trip
# The first byte of a dumped stream, in its versions: a digest passes over the groups.
_STREAMS: Final = frozenset({15, 19, 21, 26})

_Place = tuple[int, bytes]  # database number, key


class _Value(NamedTuple):
    """What a key held. Equal sets may have unequal dumps, but have equal digests."""

    dump: bytes
    expiry: int  # absolute, in ms, or 0
    digest: object


class Keys:
    """Puts back what fixtures set; the databases were emptied before.

    ``digest`` is a command that answers the same for equal values of a key.
    """

    def __init__(self, link: Link, digest: tuple[str, ...]) -> None:
        self._link = link
        self._digest = digest
        self._layers: Layers[_Place, _Value] = Layers({}, differs=_differ)

    def claim(self, owner: int, databases: Iterable[int]) -> None:
        """Give what changed in these databases to a fixture: it stays until ``end``."""
        self._layers.claim(
            owner,
            {
                (number, key): value
                for number in databases
                for key, value in self._values_in(number)
            },
        )

    def end(self, owner: int) -> None:
        """Forget what a fixture had set."""
        self._layers.end(owner)

    def restore(self) -> None:
        """Set what fixtures had set. Raises TK310. Cost: one RESTORE for each key."""
        if not self._layers.current:
            return
        now = time.time_ns() // 1_000_000
        by_database: dict[int, list[Command]] = {}
        for (number, key), value in self._layers.current.items():
            if not value.expiry or value.expiry > now:
                absolute = ("ABSTTL",) if value.expiry else ()
                by_database.setdefault(number, []).append(
                    ("RESTORE", key, value.expiry, value.dump, "REPLACE", *absolute)
                )
        for number, commands in by_database.items():
            for some in _slices(commands):
                answers = self._link.ask([("SELECT", number), *some])
                if problem := next((a for a in answers if isinstance(a, Exception)), None):
                    raise self._link.trouble(f"keys of fixtures in database {number}", problem)

    def _values_in(self, number: int) -> Iterator[tuple[bytes, _Value]]:
        for keys in self._keys_in(number):
            commands: list[Command] = []
            for key in keys:
                commands += [("DUMP", key), ("PEXPIRETIME", key), (*self._digest, key)]
            answers: Iterator[Any] = iter(self._link.do(("SELECT", number), *commands)[1:])
            for key, dump, expiry, digest in zip(keys, answers, answers, answers, strict=True):
                if dump is not None:
                    found = digest, dump if dump[0] in _STREAMS else b""
                    yield key, _Value(dump, max(expiry, 0), found)

    def _keys_in(self, number: int) -> Iterator[list[bytes]]:
        """Yield all keys, once each: a scan may meet one several times."""
        found: set[bytes] = set()
        cursor: bytes = b"0"
        while True:
            _, (cursor, keys) = self._link.do(
                ("SELECT", number), ("SCAN", cursor, "COUNT", _AT_ONCE)
            )
            new = set(keys) - found
            found |= new
            if new:
                yield list(new)
            if cursor == b"0":
                return


def _differ(one: _Value, other: _Value) -> bool:
    return (one.digest, one.expiry) != (other.digest, other.expiry)


def _slices(commands: list[Command]) -> Iterator[list[Command]]:
    waiting = iter(commands)
    while some := list(itertools.islice(waiting, _AT_ONCE)):
        yield some
