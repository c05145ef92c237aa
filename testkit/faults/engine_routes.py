"""Engines of SQLAlchemy that lead through a relay, and those that must not any more."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import Pool

from testkit.isolation.connections import own_port
from testkit.system.ports import LOOPBACK

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect
    from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

    from testkit.faults.gone_relays import GoneRelays

__all__ = ["EngineRoutes"]

_ELSEWHERE: Final = "the connection leads elsewhere than its engine does now"


class EngineRoutes:
    """Leads what engines open, by host and port; what lies in their pools is exchanged.

    A relay that has ended leads to its server: an engine made on its URL goes on in later tests.
    """

    def __init__(self, gone: GoneRelays) -> None:
        self._routed: weakref.WeakKeyDictionary[Dialect, int] = weakref.WeakKeyDictionary()
        self._gone = gone
        self._listens = False

    def route(self, engine: Engine, port: int) -> None:
        """Let an engine lead to a relay."""
        self._listen()
        self._routed[engine.dialect] = port

    def end(self, port: int) -> None:
        """Let what led to a relay lead to its server: the relay is gone."""
        self._listen()
        for dialect in [each for each, to in self._routed.items() if to == port]:
            del self._routed[dialect]

    def close(self) -> None:
        """Listen no more."""
        if self._listens:
            self._listens = False
            event.remove(Engine, "do_connect", self._connect)
            event.remove(Pool, "checkout", self._checked_out)

    def _listen(self) -> None:
        if not self._listens:
            self._listens = True
            # First: who else listens sees where it leads.
            event.listen(Engine, "do_connect", self._connect, insert=True)
            event.listen(Pool, "checkout", self._checked_out)

    def _connect(
        self, dialect: Dialect, _record: object, _given: list[Any], named: dict[str, Any]
    ) -> None:
        routed = self._routed.get(dialect)
        if routed is not None:
            named["host"], named["port"] = LOOPBACK, routed
            return
        server = self._gone.server(named.get("host"), named.get("port"))
        if server is not None:
            named["host"], named["port"] = server

    def _checked_out(
        self,
        connection: DBAPIConnection,
        _entry: ConnectionPoolEntry,
        proxy: PoolProxiedConnection,
    ) -> None:
        port = own_port(connection)
        if port is None:
            return
        pool = getattr(proxy, "_pool", None)  # no public name, nor has its dialect one
        dialect = getattr(pool, "_dialect", None)
        routed = self._routed.get(dialect) if dialect is not None else None
        if self._gone.server(LOOPBACK, port) if routed is None else port != routed:
            raise DisconnectionError(_ELSEWHERE)
