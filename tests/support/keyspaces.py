"""The clients of an application, what a Redis holds, and what a wider-scoped fixture did there."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

if TYPE_CHECKING:
    from testkit.isolation.keyspace import Keyspace
    from testkit.servers.redis import RedisServer

LIBRARY = "#!lua name=mine\nredis.register_function('answer', function() return 42 end)"


class Raw:
    """One connection without a pool; ``number`` is the one that the server gave it."""

    def __init__(self, server: RedisServer) -> None:
        pool: Any = redis.ConnectionPool.from_url(
            server.url, retry=Retry(NoBackoff(), 0), socket_timeout=5, protocol=2
        )
        self._connection = pool.make_connection()
        self._connection.connect()
        self.send("CLIENT ID")
        self.number: int = self.read()

    def send(self, command: str | tuple[str, ...]) -> None:
        """Send words."""
        words = command.split() if isinstance(command, str) else command
        self._connection.send_command(*words)

    def read(self) -> Any:
        """Return the next answer, bytes; raises it where it is an error."""
        return self._connection.read_response()

    def close(self) -> None:
        """Close it."""
        self._connection.disconnect()


class Client:
    """The application's own clients, one for each call; ``connection`` is one without a pool."""

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self._stack = contextlib.ExitStack()

    def __call__(self, number: int = 0) -> Any:
        url = f"{self.server.url.removesuffix('/0')}/{number}"
        return self._stack.enter_context(redis.Redis.from_url(url))

    def connection(self, *commands: str) -> Raw:
        """Return a connection of its own, on which these commands were sent and answered."""
        raw = Raw(self.server)
        self._stack.callback(raw.close)
        for command in commands:
            raw.send(command)
            raw.read()
        return raw

    def close(self) -> None:
        """Close all of them."""
        self._stack.close()


def kept(keyspace: Keyspace, owner: int, *commands: Any) -> None:
    """Let a fixture send these commands and own what they changed."""
    since = keyspace.changes()
    for command in commands:
        command()
    keyspace.claim(owner, since=since)


def contents(client: Client, *numbers: int) -> dict[tuple[int, bytes], bytes]:
    """Return the digests of all keys of these databases."""
    return {
        (number, key): client(number).execute_command("DEBUG", "DIGEST-VALUE", key)[0]
        for number in numbers
        for key in client(number).scan_iter()
    }


def settle(server: RedisServer) -> None:
    """Wait until the server has read all that was sent before, whoever is still let in.

    It reads everybody's commands in rounds: what was there before the first answer is done before
    the second one.
    """
    with socket.create_connection((server.host, server.port)) as stranger:
        for _ in range(2):
            stranger.sendall(b"PING\r\n")
            assert stranger.recv(1000)


def state(server: RedisServer) -> dict[str, object]:
    """Return all that a Redis holds: keys, functions, scripts, settings, users, its clients' states."""
    with redis.Redis.from_url(server.url, protocol=2) as client, client.client() as one:
        facts = one.info()
        keys: dict[tuple[int, bytes], object] = {}
        for number in range(16):
            if f"db{number}" in facts:
                one.execute_command("SELECT", number)
                for key in one.scan_iter():
                    digest = one.execute_command("DEBUG", "DIGEST-VALUE", key)
                    keys[number, key] = (digest, one.pexpiretime(key))
        one.execute_command("SELECT", 0)
        return {
            "keys": keys,
            "functions": one.function_list(withcode=True),
            "scripts": facts["number_of_cached_scripts"],
            "settings": one.config_get("*"),
            "users": [rule.replace(" sanitize-payload", "") for rule in map(_text, one.acl_list())],
            "refusals": one.acl_log(),
            "role": facts["role"],
            "blocked": facts["blocked_clients"],
            "tracking": facts["tracking_clients"],
            "channels": (one.pubsub_channels(), one.pubsub_numpat()),
            "odd": [each["flags"] for each in one.client_list() if each["flags"] != "N"],
        }


def _text(found: Any) -> str:
    return found.decode() if isinstance(found, bytes) else str(found)
