"""Pooled connections that were opened in an event loop that goes before their pool does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import event
from sqlalchemy.pool import Pool
from sqlalchemy.util import greenlet_spawn

from testkit.isolation.connections import running_loop

if TYPE_CHECKING:
    import asyncio

    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

__all__ = ["OpenedIn"]


class OpenedIn:
    """Follows every pool, of whichever engine, for what is opened in one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._entries: list[ConnectionPoolEntry] = []
        event.listen(Pool, "connect", self._connected)

    async def close_idle(self) -> None:
        """Close, in the loop, those that nobody has checked out: no other loop may get them."""
        held = [entry for entry in self._entries if entry.in_use]
        for entry in self._entries:
            if entry not in held and entry.dbapi_connection is not None:
                await greenlet_spawn(entry.invalidate)
        self._entries = held

    def stop(self) -> None:
        """Stop listening."""
        event.remove(Pool, "connect", self._connected)

    def _connected(self, connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
        if running_loop(connection) is self._loop:
            self._entries.append(entry)
