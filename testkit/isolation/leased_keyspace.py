"""Undoing what a test did in one leased database of somebody else's Redis."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from testkit.isolation.redis_keys import Keys
from testkit.isolation.redis_link import Link

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.core.addresses import Address

__all__ = ["LeasedKeyspace"]


class LeasedKeyspace:
    """The keys of one database; nothing else of the server is looked at or changed.

    Scripts, functions, subscribers and CONFIG belong to whoever runs the server, and so are shared
    with everybody there. Equal sets and hashes may count as changed: a server of others need not
    allow DEBUG.
    """

    def __init__(self, address: Address, check: Callable[[], None] = lambda: None) -> None:
        """Ask ``check`` before anything is emptied: it raises where the lease was lost."""
        self._check = check
        self._database = int(address.name)
        self._calls = itertools.count(1)
        self._link = Link(address, own=False)
        self._keys = Keys(self._link, ("DUMP",))

    def changes(self) -> int:
        """Return a number that is never the same: the server's own count is everybody's."""
        return next(self._calls)

    def claim(self, owner: int, *, since: int) -> None:
        """Give what changed to a fixture: it stays until ``end``."""
        del since
        self._keys.claim(owner, [self._database])

    def finish(self) -> None:
        """Put the keys back. Raises TK115 where the lease was lost, TK310."""
        self._check()
        # Of a connection that was opened on this database and selects no other one.
        self._link.do(("FLUSHDB",))
        self._keys.restore()

    def left(self) -> None:
        """Answer nothing: whose the other clients of that server are cannot be told."""

    def end(self, owner: int) -> None:
        """Forget what a fixture had set, and what its teardown did."""
        self._keys.end(owner)
        self.finish()

    def close(self) -> None:
        """Close testkit's own connection."""
        self._link.close()
