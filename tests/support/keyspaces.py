"""The clients of an application, what a Redis holds, and what a wider-scoped fixture did there."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

if TYPE_CHECKING:
    from testkit.isolation.keyspace import Keyspace
    from testkit.servers.redis import RedisServer

LIBRARY = "#!lua name=mine\nredis.register_function('answer', function() return 42 end)"


class Client:
    """The application's own clients, one for each call; ``connection`` is one without a pool."""

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self._stack = contextlib.ExitStack()

    def __call__(self, number: int = 0) -> Any:
        url = f"{self.server.url.removesuffix('/0')}/{number}"
        return self._stack.enter_context(redis.Redis.from_url(url))

    def connection(self, *commands: str) -> Any:
        """Return a connection of its own, on which these commands were sent and answered."""
        connection: Any = redis.ConnectionPool.from_url(
            self.server.url, retry=Retry(NoBackoff(), 0), socket_timeout=5
        ).make_connection()
        self._stack.callback(connection.disconnect)
        connection.connect()
        for command in commands:
            connection.send_command(*command.split())
            connection.read_response()
        return connection

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


def state(server: RedisServer) -> dict[str, object]:
    """Return all that a Redis holds: keys, functions, scripts, settings, users, its clients' states."""
    client = Client(server)
    try:
        one = client()
        facts = one.info()
        keys = {
            (number, key): (digest, client(number).pexpiretime(key))
            for number in range(16)
            if f"db{number}" in facts
            for (_, key), digest in contents(client, number).items()
        }
        return {
            "keys": keys,
            "functions": one.function_list(withcode=True),
            "scripts": facts["number_of_cached_scripts"],
            "settings": one.config_get("*"),
            "users": [
                rule.replace(" sanitize-payload", "") for rule in map(_text, one.acl_list())
            ],
            "logs": (one.slowlog_len(), one.latency_latest(), one.acl_log()),
            "role": facts["role"],
            "blocked": facts["blocked_clients"],
            "tracking": facts["tracking_clients"],
            "channels": (one.pubsub_channels(), one.pubsub_numpat()),
            "odd": [each["flags"] for each in one.client_list() if each["flags"] != "N"],
        }
    finally:
        client.close()


def _text(found: Any) -> str:
    return found.decode() if isinstance(found, bytes) else str(found)
