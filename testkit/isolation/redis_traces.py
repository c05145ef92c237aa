"""What was done on a Redis since the last reset, by the server's own counts of its commands.

The counts are set to nought behind each test, so that a command stands among them only if somebody
sent it. That holds in transactions, pipelines and scripts, on every connection and by every client.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from testkit.isolation.redis_link import Command

__all__ = ["FORGET", "SECTIONS", "Traces", "read_traces"]

#: What ``read_traces`` reads.
SECTIONS: Final[Command] = ("INFO", "commandstats", "clients")
#: Sets all counts to nought, and what else a server notes about its commands. Those that come after
#: RESETSTAT are counted again: where they are missing, somebody else has set the counts to nought.
FORGET: Final[tuple[Command, ...]] = (
    ("CONFIG", "RESETSTAT"),
    ("SLOWLOG", "RESET"),
    ("LATENCY", "RESET"),
    ("ACL", "LOG", "RESET"),
)
_OURS: Final = frozenset({b"slowlog|reset", b"latency|reset", b"acl|log"})

_COMMAND: Final = re.compile(rb"cmdstat_([^:]+):")
_TRANSACTION: Final = re.compile(
    rb"^cmdstat_(multi|exec|discard):calls=(\d+),.*rejected_calls=(\d+),failed_calls=(\d+)",
    re.MULTILINE,
)


class Traces(NamedTuple):
    """The names of the commands that were called, such as ``config|set``, and what they left.

    ``complete`` is False where there may have been others.
    """

    commands: frozenset[bytes]
    complete: bool
    blocked: bool
    transactions: bool

    def of(self, commands: AbstractSet[bytes]) -> bool:
        """Return whether one of these commands may have been called."""
        return not self.complete or not self.commands.isdisjoint(commands)

    def and_then(self, more: Traces) -> Traces:
        """Return both together."""
        return Traces(
            self.commands | more.commands,
            complete=self.complete and more.complete,
            blocked=self.blocked or more.blocked,
            transactions=self.transactions or more.transactions,
        )


def read_traces(info: bytes) -> Traces:
    """Read the answer of ``SECTIONS``."""
    commands = frozenset(_COMMAND.findall(info))
    return Traces(
        commands,
        complete=commands >= _OURS,
        blocked=b"\nblocked_clients:0\r" not in info,
        transactions=b"multi" in commands and _left_open(info),
    )


def _left_open(info: bytes) -> bool:
    """Return whether a transaction may have been begun and not ended."""
    counts = {name: tuple(map(int, numbers)) for name, *numbers in _TRANSACTION.findall(info)}
    begun, ended, dropped = (counts.get(n, (0, 0, 0)) for n in (b"multi", b"exec", b"discard"))
    odd = any(count for _, *counts_of in (begun, ended, dropped) for count in counts_of)
    return odd or begun[0] != ended[0] + dropped[0]
