"""What every Redis does, whichever road it came by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from testkit.isolation.keyspace import Keyspace
from testkit.system.processes import is_alive
from tests.contracts.conftest import OWN_ROADS, Road
from tests.support.keyspaces import Client, state
from tests.support.processes import LINUX, command_lines, listening
from tests.support.runs import kept_of

if TYPE_CHECKING:
    from testkit.servers.run import Run

ONCE = Retry(NoBackoff(), 0)
LIBRARY = "#!lua name=mine\nredis.register_function('answer', function() return 42 end)"


OWN = pytest.mark.parametrize("redis_road", OWN_ROADS, indirect=True)


def test_its_facts_name_the_road_the_product_and_its_version(
    redis_run: Run, redis_road: Road
) -> None:
    server = redis_run.ensure_redis()
    with redis.Redis.from_url(server.url) as client:
        facts = client.info("server")
    field = "valkey_version" if server.product == "Valkey" else "redis_version"

    assert server.backend == redis_road.name
    assert facts[field] == server.version
    assert server.version in server.name
    assert server.password not in repr(server)


def test_it_wants_its_password_and_listens_on_the_loopback_only(redis_run: Run) -> None:
    server = redis_run.ensure_redis()
    addresses = {address for address, number in listening() if number == server.port}
    with (
        pytest.raises(redis.AuthenticationError),
        redis.Redis(port=server.port, password="wrong", retry=ONCE) as stranger,
    ):
        stranger.ping()

    assert addresses == {"127.0.0.1"}


@OWN
def test_it_keeps_nothing_on_disk(redis_run: Run) -> None:
    server = redis_run.ensure_redis()
    with redis.Redis.from_url(server.url) as client:
        found = client.config_get("save", "appendonly", "databases")

    assert found == {"save": "", "appendonly": "no", "databases": "16"}


@OWN
def test_what_a_test_did_is_undone_and_what_a_fixture_did_stays(redis_run: Run) -> None:
    server = redis_run.ensure_redis()
    keyspace = Keyspace(server.address)
    try:
        with redis.Redis.from_url(server.url) as client:
            client.set("kept", "by a fixture", ex=1000)
            client.function_load(LIBRARY)
            keyspace.claim(1, since=0)
            client.set("kept", "changed")
            client.set("more", 1)
            client.function_flush()
            keyspace.finish()
            found = (client.keys(), client.get("kept"), client.fcall("answer", 0))
            expires = client.ttl("kept") > 0
            keyspace.end(1)
            nothing = (client.dbsize(), client.function_list())
    finally:
        keyspace.close()

    assert found == ([b"kept"], b"by a fixture", 42)
    assert expires
    assert nothing == (0, [])


@OWN
def test_settings_users_and_clients_are_put_back(redis_run: Run) -> None:
    server = redis_run.ensure_redis()
    keyspace = Keyspace(server.address)
    client = Client(server)
    before = state(server)
    try:
        client().config_set("maxmemory-policy", "allkeys-lru")
        client().acl_setuser("alice", enabled=True, nopass=True)
        client().client_pause(60_000, all=False)
        subscriber = client.connection("SUBSCRIBE news")
        client().acl_setuser("default", reset=True)
        keyspace.finish()
        after = state(server)
        numbers = {int(each["id"]) for each in client().client_list()}
    finally:
        client.close()
        keyspace.close()

    assert after == before
    assert subscriber.number not in numbers


@OWN
def test_nothing_is_left_when_the_run_is_closed(redis_run: Run) -> None:
    server = redis_run.ensure_redis()
    alive = is_alive(kept_of(server).keeper)
    redis_run.close()

    assert (alive, is_alive(kept_of(server).keeper)) == (True, False)
    assert not kept_of(server).directory.exists()
    with pytest.raises(redis.ConnectionError):
        redis.Redis(port=server.port, retry=ONCE).ping()


@LINUX
def test_no_process_shows_a_password(redis_run: Run) -> None:
    server = redis_run.ensure_redis()
    lines = command_lines().values()

    assert [line for line in lines if "redis.conf" in line or str(server.port) in line]
    assert [line for line in lines if server.password in line] == []
