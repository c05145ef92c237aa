"""Undoing what a test did to its own Redis: flush, and put back what wider-scoped fixtures set."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

if TYPE_CHECKING:
    from testkit.core.addresses import Address

__all__ = ["Keyspace"]

_FLUSH: Final = (("FLUSHALL", "SYNC"), ("INFO", "memory"), ("CLIENT", "LIST", "TYPE", "PUBSUB"))
# A flush of scripts or of functions makes a new interpreter, 100 µs each: only where there are any.
_SCRIPTS: Final = {
    b"number_of_cached_scripts:0\r\n": ("SCRIPT", "FLUSH"),
    b"number_of_functions:0\r\n": ("FUNCTION", "FLUSH"),
}

_Place = tuple[int, bytes]  # database number, key


class _Value(NamedTuple):
    """What a key held. Equal sets may have unequal dumps, but have equal digests."""

    dump: bytes
    expiry: int  # absolute, in ms, or 0
    digest: object

    def differs(self, other: _Value | None) -> bool:
        return other is None or (self.digest, self.expiry) != (other.digest, other.expiry)


class Keyspace:
    """All databases, scripts, functions and subscribers of one server that testkit owns.

    Cost: one round trip, plus one RESTORE for each key of a wider-scoped fixture. Not safe to call
    from two threads.
    """

    # Commands that answer the same for equal values of a key.
    _digest: tuple[str, ...] = ("DEBUG", "DIGEST-VALUE")

    def __init__(self, address: Address) -> None:
        self._address = address
        self._clients: dict[int, redis.Redis] = {}
        self._layers: dict[int, dict[_Place, _Value | None]] = {}
        self._keeps_scripts = False
        self._functions = b""  # FUNCTION DUMP of what fixtures loaded
        self._functions_before: dict[int, bytes] = {}
        self._kept_subscribers: set[str] = set()
        self._base: dict[_Place, _Value] = {}
        self._connection: Any = None
        self._commands: list[bytes] = []

    def changes(self) -> int:
        """Return the server's count of writes, for a later ``claim``."""
        info: dict[str, Any] = self._client(0).info("persistence")
        return int(info["rdb_changes_since_last_save"])

    def claim(self, owner: int, *, since: int) -> None:
        """Give what changed since then to a fixture: it stays until ``end``."""
        self._keep_others()
        if self.changes() == since:
            return
        now = self._snapshot()
        layer: dict[_Place, _Value | None] = {
            place: value for place, value in now.items() if value.differs(self._base.get(place))
        }
        layer |= dict.fromkeys(self._base.keys() - now.keys())
        self._layers[owner] = layer
        self._base = now
        self._functions_before[owner] = self._functions
        self._functions = self._dumped_functions()

    def finish(self) -> None:
        """Put every database, script, function and subscription back."""
        if self._flush():
            for client in self._subscribers():
                if client["id"] not in self._kept_subscribers:
                    self._client(0).client_kill_filter(_id=client["id"])
        if self._functions:
            self._client(0).execute_command("FUNCTION RESTORE", self._functions)  # type: ignore[no-untyped-call]  # bytes, not str
        if self._base:
            self._restore()

    def _flush(self) -> bool:
        """Empty the server in one round trip; answer whether anybody is subscribed.

        A pipeline of redis-py would take three times as long as the server does.
        """
        if self._connection is None:
            self._connection = self._client(0).connection_pool.get_connection()
            self._commands = self._connection.pack_commands(_FLUSH)
        try:
            self._connection.send_packed_command(self._commands)
            answers = [self._connection.read_response() for _ in _FLUSH]
        except redis.ConnectionError:
            # A test may end every client of its server, ours among them.
            self._connection.disconnect()
            self._connection.send_packed_command(self._commands)
            answers = [self._connection.read_response() for _ in _FLUSH]
        _, memory, subscribers = answers
        for none, command in _SCRIPTS.items():
            if none not in memory and not (self._keeps_scripts and command[0] == "SCRIPT"):
                self._connection.send_command(*command)
                self._connection.read_response()
        return bool(subscribers)

    def end(self, owner: int) -> None:
        """Forget what a fixture had set, and what its teardown did."""
        if self._layers.pop(owner, None) is not None:
            self._functions = self._functions_before.pop(owner)
            self._base = {}
            for layer in self._layers.values():
                for place, value in layer.items():
                    if value is None:
                        self._base.pop(place, None)
                    else:
                        self._base[place] = value
        self.finish()

    def close(self) -> None:
        """Close testkit's own connections."""
        if self._connection is not None:
            self._client(0).connection_pool.release(self._connection)
        for client in self._clients.values():
            client.close()

    def _keep_others(self) -> None:
        """Note what is no key and stays with a fixture: subscribers, scripts."""
        self._kept_subscribers = {client["id"] for client in self._subscribers()}
        memory: dict[str, Any] = self._client(0).info("memory")
        # A script goes by the hash of its text: that it stays can mislead nobody.
        self._keeps_scripts |= bool(memory.get("number_of_cached_scripts"))

    def _dumped_functions(self) -> bytes:
        listed: Any = self._client(0).function_list()
        return self._client(0).function_dump() if listed else b""

    def _subscribers(self) -> list[dict[str, str]]:
        listing: Any = self._client(0).client_list(_type="pubsub")
        return list(listing)

    def _snapshot(self) -> dict[_Place, _Value]:
        found: dict[_Place, _Value] = {}
        for number in self._used_databases():
            client = self._client(number)
            keys: Any = list(client.scan_iter(count=1000))
            with client.pipeline(transaction=False) as commands:
                for key in keys:
                    commands.dump(key)
                    commands.pexpiretime(key)
                    commands.execute_command(*self._digest, key)  # type: ignore[no-untyped-call]
                answers = iter(commands.execute())
            for key, dump, expiry, digest in zip(keys, answers, answers, answers, strict=True):
                if dump is not None:
                    found[number, key] = _Value(dump, max(expiry, 0), digest)
        return found

    def _used_databases(self) -> list[int]:
        databases: dict[str, Any] = self._client(0).info("keyspace")
        return [int(name.removeprefix("db")) for name in databases]

    def _restore(self) -> None:
        now = time.time_ns() // 1_000_000
        by_database: dict[int, list[tuple[bytes, _Value]]] = {}
        for (number, key), value in self._base.items():
            if not value.expiry or value.expiry > now:
                by_database.setdefault(number, []).append((key, value))
        for number, entries in by_database.items():
            with self._client(number).pipeline(transaction=False) as commands:
                for key, value in entries:
                    commands.restore(
                        key, value.expiry, value.dump, replace=True, absttl=value.expiry > 0
                    )
                commands.execute()

    def _client(self, number: int) -> redis.Redis:
        if number not in self._clients:
            self._clients[number] = redis.Redis.from_url(
                dataclasses.replace(self._address, name=str(number)).url(),
                socket_timeout=10,
                retry=Retry(NoBackoff(), 0),
                client_name="testkit",
            )
        return self._clients[number]
