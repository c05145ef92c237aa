"""What the fixture ``faults`` gives: the relays of one test, and their log."""

from __future__ import annotations

import hashlib
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from testkit.core.messages import TestkitError
from testkit.core.provided import provided
from testkit.core.relayed import relayed
from testkit.faults.log import Log
from testkit.faults.loop import Loop
from testkit.faults.protocols.conversation import postgres_conversation, redis_conversation
from testkit.faults.protocols.rules import Rules
from testkit.faults.relay import Relay
from testkit.faults.relays import PostgresRelay, RedisRelay
from testkit.faults.station import Station, addresses_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from testkit.core.addresses import Address
    from testkit.faults.fault import Fault
    from testkit.faults.protocols.steps import Conversation
    from testkit.faults.routes import Routes
    from testkit.faults.servers import ServerFaults

__all__ = ["Faults", "Surroundings"]

_Relay = TypeVar("_Relay", RedisRelay, PostgresRelay)


class Surroundings(Protocol):
    """What the relays of a test need from the run that it belongs to."""

    @property
    def routes(self) -> Routes:
        """What leads through relays, or did."""

    def address(self, kind: str) -> Address:
        """Return where a server of this worker is, ``database`` or ``redis``; it runs."""

    def server_faults(self, kind: str) -> ServerFaults:
        """Return what may be done to such a server itself. Raises TK640."""

    def lead(self, kind: str, address: Address) -> None:
        """Let the variables of ``env`` lead to a relay, until ``restore``."""

    def restore(self) -> None:
        """Let them lead to the servers again."""


class Faults:
    """The relays of one test: each is made when it is first asked for, and gone with the test.

    One thread serves them all, whatever the test's own threads and event loops do. ``log`` is what
    passed. ``declared`` holds every fault, with the name of its relay.
    """

    def __init__(self, around: Surroundings, *, nodeid: str, seed: int, root: str) -> None:
        self._around, self.root = around, root
        self._seed_text = f"{seed}\0{nodeid}"
        self.log = Log()
        self.declared: list[tuple[str, Fault]] = []
        self._loop: Loop | None = None
        self._relays: dict[str, Relay] = {}
        self._over = False
        self._lock = threading.RLock()  # two threads may ask for the first relay at once

    @property
    def redis(self) -> RedisRelay:
        """The relay in front of this worker's Redis."""
        return self._in_front("redis", RedisRelay, redis_conversation)

    @property
    def postgres(self) -> PostgresRelay:
        """The relay in front of this worker's Postgres. TK602 in the isolation ``rollback``."""
        return self._in_front("database", PostgresRelay, postgres_conversation)

    def proxy(self, host: str, port: int) -> Relay:
        """Return a relay in front of anything that listens; its bytes are not understood.

        The same for the same place. ``host`` may be the path of a Unix socket. Raises TK601 for a
        name that leads nowhere.
        """
        name = f"faults.proxy({host!r}, {port})"
        with self._lock:
            if name not in self._relays:
                self.check(name)
                try:
                    server = addresses_of(host, port)
                except OSError as error:
                    raise TestkitError("TK601", call=name, reason=str(error)) from error
                relay = self._relays[name] = Relay(self, name, self._station(name, server))
                provided.add(relay.host, relay.port)
                self._around.routes.begin(relay.port)
            return self._relays[name]

    def server_faults(self, kind: str) -> ServerFaults:
        """Return what may be done to the server ``database`` or ``redis`` itself. Raises TK640."""
        return self._around.server_faults(kind)

    def check(self, name: str) -> None:
        """Raise TK603 where the test is over."""
        if self._over:
            raise TestkitError("TK603", what=name)

    def end(self) -> None:
        """End all faults; nothing can be declared any more. The relays pass bytes on as they are.

        What a fault still held is lost, with its connection: a COMMIT must not come true behind
        the test. A second call does nothing.
        """
        if self._over:
            return
        try:
            for relay in self._relays.values():
                relay.end()
        finally:
            self._over = True
            self._around.restore()

    def close(self) -> None:
        """End all faults, close all relays, end the thread; what led to a relay leads on."""
        self.end()
        loop, self._loop = self._loop, None
        if loop is None:
            return
        try:
            for relay in self._relays.values():
                relay.close()
                provided.discard(relay.host, relay.port)
                relayed.discard(relay.port)
                if isinstance(relay, RedisRelay | PostgresRelay):
                    kind, behind = relay.behind.kind, relay.behind
                    self._around.routes.end(kind, relay.port, (behind.host, behind.port))
        finally:
            loop.stop()

    def _in_front(
        self, kind: str, make: type[_Relay], converse: Callable[[Rules], Conversation]
    ) -> _Relay:
        name = f"faults.{'redis' if kind == 'redis' else 'postgres'}"
        with self._lock:
            found = self._relays.get(name)
            if isinstance(found, make):
                return found
            self.check(name)
            behind, rules = self._around.address(kind), Rules()
            server = addresses_of(behind.host, behind.port)
            station = self._station(name, server, partial(converse, rules))
            relay = make(self, name, station, behind, self._around.routes, rules=rules)
            self._relays[name] = relay
            provided.add(relay.host, relay.port)
            self._around.routes.begin(relay.port)
            relayed.add(relay.port, (behind.host, behind.port))
            self._around.lead(kind, relay.address)
            return relay

    def _station(
        self,
        name: str,
        server: Sequence[tuple[int, Any]],
        converse: Callable[[], Conversation] | None = None,
    ) -> Station:
        if self._loop is None:
            self._loop = Loop()
        loop = self._loop
        digest = hashlib.sha256(f"{self._seed_text}\0{name}".encode(errors="surrogatepass"))
        seed = int.from_bytes(digest.digest()[:8])
        return loop.call(
            lambda: Station(loop, name, server, self.log, seed=seed, converse=converse)
        )
