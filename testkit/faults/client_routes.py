"""Clients of redis-py that lead through a relay, and those that must not any more."""

from __future__ import annotations

import contextlib
import sys
from functools import wraps
from typing import TYPE_CHECKING, Any

from testkit.isolation.libraries import replace_in
from testkit.system.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.faults.gone_relays import GoneRelays
    from testkit.isolation.libraries import Undo

__all__ = ["ClientRoutes", "lead"]


class ClientRoutes:
    """Leads routed clients back, and what was made on the URL of a relay that has ended."""

    def __init__(self, gone: GoneRelays) -> None:
        self._routed: list[tuple[int, Any]] = []
        self._gone = gone
        self._undo: list[Undo] = []

    def route(self, pool: Any, port: int) -> None:
        """Let a pool lead to a relay."""
        lead(pool, LOOPBACK, port)
        self._routed.append((port, pool))

    def end(self, port: int, server: tuple[str, int]) -> None:
        """Let what led to a relay lead to its server: the relay is gone."""
        for _, pool in (each for each in self._routed if each[0] == port):
            lead(pool, *server)
        self._routed = [each for each in self._routed if each[0] != port]
        redis = sys.modules.get("redis")  # else nobody has a client
        if redis is not None:
            self._listen(redis)

    def close(self) -> None:
        """Put the library back as it was."""
        while self._undo:
            self._undo.pop()()

    def _listen(self, redis: Any) -> None:
        if self._undo:
            return
        for module in (redis.connection, redis.asyncio.connection):
            self._undo.append(replace_in(module.Connection, "_connect", self._leading))
        # Where the guard asks, it must see where it leads.
        kind = redis.asyncio.connection.AbstractConnection
        name = "connect_check_health" if "connect_check_health" in vars(kind) else "connect"
        self._undo.append(replace_in(kind, name, self._leading))

    def _leading(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def connect(connection: Any, *given: Any, **named: Any) -> Any:
            host, port = getattr(connection, "host", None), getattr(connection, "port", None)
            server = self._gone.server(host, port)
            if server is not None:
                connection.host, connection.port = server
            return original(connection, *given, **named)

        return connect


def lead(pool: Any, host: str, port: int) -> None:
    """Let a pool of redis-py, sync or async, make its connections there; those it has are closed.

    Also those in use: a subscription begins anew.
    """
    pool.connection_kwargs.update(host=host, port=port)
    for connection in _connections(pool):
        connection.host, connection.port = host, port
        if not hasattr(connection, "_close"):
            connection.disconnect()
            continue
        # Not a coroutine's work: this is called between two steps of a loop, or without any.
        with contextlib.suppress(RuntimeError):  # its loop is closed
            connection._parser.on_disconnect()  # noqa: SLF001
            connection._close()  # noqa: SLF001


def _connections(pool: Any) -> list[Any]:
    """Return those that a pool has made; a blocking one keeps them under another name."""
    names = ("_available_connections", "_in_use_connections", "_connections")
    found = (each for name in names for each in getattr(pool, name, None) or ())
    return list({id(each): each for each in found if hasattr(each, "port")}.values())
