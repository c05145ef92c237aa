"""Clients that a test left behind do not reach into the next one; a fixture's stay."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
import redis

from testkit.core.messages import TestkitError
from testkit.isolation.keyspace import Keyspace
from tests.support.keyspaces import Raw, kept, settle

if TYPE_CHECKING:
    from tests.support.keyspaces import Client

BLOCKED = (
    "BLPOP list 0", "BRPOP list 0", "BRPOPLPUSH list other 0", "BLMOVE list other LEFT LEFT 0",
    "BLMPOP 0 1 list LEFT", "BZPOPMIN sorted 0", "BZPOPMAX sorted 0", "BZMPOP 0 1 sorted MIN",
    "XREAD BLOCK 0 STREAMS stream $", "XREADGROUP GROUP group me BLOCK 0 STREAMS stream >",
    "WAIT 1 0",
)  # fmt: skip
#: What is sent, and what must have been answered before.
LEFT = {
    "SUBSCRIBE": ("SUBSCRIBE news",),
    "PSUBSCRIBE": ("PSUBSCRIBE n*",),
    "SSUBSCRIBE": ("SSUBSCRIBE shard",),
    "MONITOR": ("MONITOR",),
    "MULTI": ("MULTI", "SET a 1"),
    "MULTI after a failed EXEC": ("MULTI", "EXEC", "MULTI"),
    "WATCH": ("SET a 1", "WATCH a"),
    "WATCH and more": ("SET a 1", "WATCH a", "GET a"),
    "CLIENT TRACKING": ("CLIENT TRACKING ON",),
}


def waiting(client: Client) -> int:
    return sum("b" in each["flags"] for each in client().client_list())


def blocked(client: Client, command: str) -> Raw:
    """Return a connection that waits with this command."""
    client().xgroup_create("stream", "group", mkstream=True)
    before = waiting(client)
    connection = client.connection()
    connection.send(command)
    while waiting(client) == before:
        pass
    return connection


def is_open(client: Client, connection: Raw) -> bool:
    return connection.number in {int(each["id"]) for each in client().client_list()}


# Each is waited for as long as a worker of a fixture may take.
@pytest.mark.parametrize(
    "command",
    [
        pytest.param(
            command,
            marks=[] if command.startswith(("BLPOP", "XREADGROUP", "WAIT")) else [pytest.mark.slow],
        )
        for command in BLOCKED
    ],
)
def test_who_waits_waits_no_more(client: Client, keyspace: Keyspace, command: str) -> None:
    blocked(client, command)
    keyspace.finish()
    client().rpush("list", "the next test's")

    assert waiting(client) == 0
    assert client().lrange("list", 0, -1) == [b"the next test's"]


@pytest.mark.parametrize("what", LEFT)
def test_a_connection_left_so_is_ended(client: Client, keyspace: Keyspace, what: str) -> None:
    connection = client.connection(*LEFT[what])
    keyspace.finish()

    assert not is_open(client, connection)


# Redis 7.0 does not show who watches once he has sent something else.
@pytest.mark.parametrize("what", sorted(LEFT.keys() - {"WATCH and more"}))
def test_that_of_a_fixture_is_left_as_it_is(client: Client, keyspace: Keyspace, what: str) -> None:
    connections: list[Raw] = []
    kept(keyspace, 1, lambda: connections.append(client.connection(*LEFT[what])))
    test = client.connection(*LEFT[what])
    keyspace.finish()
    keyspace.finish()
    left = is_open(client, connections[0])
    keyspace.end(1)

    assert (left, is_open(client, test)) == (True, False)


def test_a_replica_of_a_test_is_ended(client: Client, keyspace: Keyspace) -> None:
    connection = client.connection()
    connection.send("SYNC")
    settle(client.server)
    keyspace.finish()

    assert not is_open(client, connection)


@pytest.mark.parametrize("command", ["READWRITE", "CLIENT NO-TOUCH ON"])
def test_what_concerns_one_connection_is_left(
    client: Client, keyspace: Keyspace, command: str
) -> None:
    connection = client.connection()
    connection.send(command)
    settle(client.server)
    keyspace.finish()

    assert is_open(client, connection)


def test_a_fixture_s_consumer_gets_the_item_of_a_later_test(
    client: Client, keyspace: Keyspace
) -> None:
    connections: list[Raw] = []
    kept(keyspace, 1, lambda: connections.append(blocked(client, "BLPOP list 0")))
    client().delete("stream")
    other = blocked(client, "BLPOP list 0")
    for _ in range(2):
        keyspace.finish()
    client().rpush("list", "item")

    assert connections[0].read() == [b"list", b"item"]
    assert not is_open(client, other)


def test_a_fixture_s_consumer_between_two_items_is_left(client: Client, keyspace: Keyspace) -> None:
    connections: list[Raw] = []

    def consumes() -> None:
        client().rpush("list", "first")
        connections.append(client.connection("BLPOP list 0"))

    kept(keyspace, 1, consumes)
    connections[0].send("BLPOP list 0")
    while not waiting(client):
        pass
    keyspace.finish()

    assert is_open(client, connections[0])


def test_a_pooled_connection_whose_answers_are_off_is_made_anew(
    client: Client, keyspace: Keyspace
) -> None:
    application = client()
    application.ping()
    connection = application.connection_pool.get_connection()
    connection.send_command("CLIENT", "REPLY", "OFF")
    connection.send_command("SET", "a", 1)
    client().ping()
    while not client().exists("a"):
        pass
    application.connection_pool.release(connection)
    keyspace.finish()

    assert application.ping()


def test_what_a_pooled_connection_keeps_is_left(client: Client, keyspace: Keyspace) -> None:
    connection = client.connection("SELECT 3", "CLIENT SETNAME mine", "CLIENT NO-EVICT ON")
    keyspace.finish()
    connection.send("CLIENT GETNAME")

    assert connection.read() == b"mine"


def test_what_waited_in_a_pause_is_undone_too(client: Client, keyspace: Keyspace) -> None:
    client().client_pause(60_000, all=False)
    connection = client.connection()
    connection.send("SET late 1")
    while not waiting(client):
        pass
    keyspace.finish()

    assert connection.read() == b"OK"
    assert client().keys() == []


@pytest.mark.slow
def test_a_pause_of_everything_is_waited_for(client: Client, keyspace: Keyspace) -> None:
    client().set("a", 1)
    client().client_pause(300)
    keyspace.finish()

    assert client().keys() == []


@pytest.mark.slow
def test_a_long_pause_of_everything_is_told(doomed: Client) -> None:
    keyspace = Keyspace(doomed.server.address, seconds=0.5)
    doomed().client_pause(600_000)
    with pytest.raises(TestkitError, match=r"no answer for 0\.5 s \(CLIENT PAUSE") as caught:
        keyspace.finish()
    keyspace.close()

    assert caught.value.code == "TK310"


@pytest.mark.slow
def test_a_script_that_wrote_and_does_not_end_is_told(doomed: Client) -> None:
    keyspace = Keyspace(doomed.server.address)
    doomed().config_set("busy-reply-threshold", 1)
    doomed.connection().send("EVAL redis.call('set','a',1)repeat(tostring)(1)until(false) 0")
    settle(doomed.server)
    with pytest.raises(TestkitError, match="UNKILLABLE") as caught:
        keyspace.finish()
    keyspace.close()

    assert caught.value.code == "TK310"


def test_a_script_that_does_not_end_is_killed(client: Client, keyspace: Keyspace) -> None:
    client().config_set("busy-reply-threshold", 1)
    connection = client.connection()
    connection.send("EVAL repeat(tostring)(1)until(false) 0")
    keyspace.finish()
    with pytest.raises(redis.ResponseError, match="killed"):
        connection.read()

    assert client().config_get("busy-reply-threshold") == {"busy-reply-threshold": "5000"}


def test_threads_of_a_pool_that_waits_do_not_take_the_next_test_s_item(
    client: Client, keyspace: Keyspace
) -> None:
    """The application's pool is older than the test, and so is its connection."""
    application = redis.Redis.from_url(client.server.url, retry=None, socket_timeout=None)
    application.ping()
    kept(keyspace, 1)
    taken: list[object] = []

    def consume() -> None:
        try:
            taken.append(application.blpop("list", 0))
        except redis.ConnectionError as error:
            taken.append(error)

    thread = threading.Thread(target=consume)
    thread.start()
    while not waiting(client):
        pass
    keyspace.finish()
    thread.join()
    application.close()

    assert [type(each) for each in taken] == [redis.ConnectionError]
