"""Undoing what a test did in one leased database of somebody else's Redis."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from testkit.isolation.keyspace import Keyspace

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.core.addresses import Address

__all__ = ["LeasedKeyspace"]


class LeasedKeyspace(Keyspace):
    """The keys of one database; nothing else of the server is looked at or changed.

    Scripts, functions, subscribers and CONFIG belong to whoever runs the server, and so are shared
    with everybody there. Equal sets and hashes may count as changed: a server of others need not
    allow DEBUG.
    """

    _digest = ("DUMP",)

    def __init__(self, address: Address, check: Callable[[], None] = lambda: None) -> None:
        """Ask ``check`` before anything is emptied: it raises where the lease was lost."""
        super().__init__(address)
        self._check = check
        self._database = int(address.name)
        self._calls = itertools.count(1)

    def changes(self) -> int:
        """Return a number that is never the same: the server's own count is everybody's."""
        return next(self._calls)

    def _flush(self) -> bool:
        self._check()
        self._client(self._database).flushdb()
        return False

    def _keep_others(self) -> None:
        """Keep nothing but keys."""

    def _dumped_functions(self) -> bytes:
        return b""

    def _used_databases(self) -> list[int]:
        return [self._database]
