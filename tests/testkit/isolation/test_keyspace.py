"""Redis as it was before the test: keys, scripts, functions and subscribers, in all databases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.keyspaces import LIBRARY, contents, kept

if TYPE_CHECKING:
    from testkit.isolation.keyspace import Keyspace
    from tests.support.keyspaces import Client


def test_every_key_of_every_database_goes(client: Client, keyspace: Keyspace) -> None:
    for number in (0, 3, 15):
        client(number).set("key", number)
    keyspace.finish()

    assert contents(client, 0, 3, 15) == {}


def test_a_fixture_owns_only_what_it_changed_however_the_rest_is_laid_out(
    client: Client, keyspace: Keyspace
) -> None:
    """A large set that was put back is the same set, but its dump has another order."""
    members = [f"member {n}" for n in range(2000)]
    kept(
        keyspace,
        1,
        lambda: client().sadd("set", *members),
        lambda: client().srem("set", *members[1::2]),
    )
    keyspace.finish()
    kept(keyspace, 2, lambda: client().set("two", 2))
    keyspace.end(1)

    assert client().keys() == [b"two"]


def test_a_reset_survives_the_end_of_its_own_connections(
    client: Client, keyspace: Keyspace
) -> None:
    keyspace.finish()
    for _ in range(2):
        client().set("key", 1)
        client().client_kill_filter(_type="normal", skipme=True)
        keyspace.finish()

        assert contents(client, 0) == {}


def test_scripts_and_functions_go(client: Client, keyspace: Keyspace) -> None:
    digest = client().script_load("return 1")
    client().function_load(LIBRARY)
    keyspace.finish()

    assert client().script_exists(digest) == [False]
    assert client().function_list() == []


def test_scripts_of_a_fixture_stay(client: Client, keyspace: Keyspace) -> None:
    digest = client().script_load("return 1")
    kept(keyspace, 1)
    for _ in range(2):
        client().set("of", "the test")
        client().script_load("return 2")
        keyspace.finish()

        assert client().evalsha(digest, 0) == 1
    assert contents(client, 0) == {}


def test_subscribers_of_a_test_are_ended_and_those_of_a_fixture_stay(
    client: Client, keyspace: Keyspace
) -> None:
    with client().pubsub() as fixture, client().pubsub() as test:
        fixture.subscribe("news")
        fixture.get_message(timeout=5)
        kept(keyspace, 1)
        test.psubscribe("n*")
        test.get_message(timeout=5)
        both = client().publish("news", "x")
        keyspace.finish()
        one = client().publish("news", "y")

    assert (both, one) == (2, 1)


def values(client: Client) -> None:
    """Set a value of every type."""
    client().set("text", "x")
    client().set("bytes", bytes(range(256)))
    client().rpush("list", 1, 2, 3)
    client().sadd("set", "a", "b")
    client().zadd("sorted", {"a": 1.5})
    client().hset("hash", mapping={"a": 1})
    client().xadd("stream", {"a": 1}, id="5-1")
    client().xgroup_create("stream", "group", id="0")
    client().pfadd("hyperloglog", "a")
    client().setbit("bits", 7, 1)
    client().geoadd("places", (13.4, 52.5, "berlin"))
    client(9).set("text", "elsewhere")


@pytest.mark.parametrize(
    "test",
    [
        lambda client: client().flushall(),
        lambda client: client().delete("text", "stream", "hash"),
        lambda client: [client().append("text", "y"), client().rpush("list", 4)],
        lambda client: client().rename("list", "other"),
        lambda client: client().move("hash", 5),
        lambda client: client().swapdb(0, 9),
        lambda client: client().xadd("stream", {"b": 2}),
        lambda client: client().xreadgroup("group", "me", {"stream": ">"}),
        lambda client: client().expire("set", 100),
        lambda client: client().set("mine", 1),
        lambda client: client().ping(),
    ],
    ids=[
        "flushes", "deletes", "changes", "renames", "moves", "swaps", "appends to a stream",
        "reads as a group", "lets expire", "adds", "does nothing",
    ],
)  # fmt: skip
def test_what_a_fixture_set_is_as_it_was_whatever_a_test_does(
    client: Client, keyspace: Keyspace, test: Any
) -> None:
    kept(keyspace, 1, lambda: values(client))
    before = contents(client, 0, 5, 9)
    test(client)
    keyspace.finish()

    assert contents(client, 0, 5, 9) == before
    assert len(before) == 11


def test_the_expiry_of_a_kept_key_is_kept_to_the_millisecond(
    client: Client, keyspace: Keyspace
) -> None:
    kept(keyspace, 1, lambda: client().set("short", 1, ex=100), lambda: client().set("ever", 1))
    before = client().pexpiretime("short")
    client().persist("short")
    client().expire("ever", 5)
    keyspace.finish()

    assert (client().pexpiretime("short"), client().pexpiretime("ever")) == (before, -1)


def test_a_kept_key_that_expired_meanwhile_does_not_come_back(
    client: Client, keyspace: Keyspace
) -> None:
    kept(keyspace, 1, lambda: client().set("short", 1, px=1), lambda: client().set("long", 1))
    while client().exists("short"):
        pass
    keyspace.finish()

    assert client().keys() == [b"long"]


def test_a_fixture_that_ends_takes_its_keys_along_and_leaves_those_of_others(
    client: Client, keyspace: Keyspace
) -> None:
    kept(keyspace, 1, lambda: client().set("outer", 1), lambda: client().set("both", 1))
    kept(keyspace, 2, lambda: client().set("inner", 2), lambda: client().set("both", 2))
    keyspace.finish()
    with_both = client().mget("outer", "inner", "both")
    keyspace.end(2)
    with_outer = client().mget("outer", "inner", "both")
    keyspace.end(1)

    assert with_both == [b"1", b"2", b"2"]
    assert with_outer == [b"1", None, b"1"]
    assert contents(client, 0) == {}


def test_fixtures_may_end_in_any_order(client: Client, keyspace: Keyspace) -> None:
    kept(keyspace, 1, lambda: client().set("outer", 1), lambda: client().set("both", 1))
    kept(keyspace, 2, lambda: client().set("inner", 2), lambda: client().set("both", 2))
    keyspace.end(1)
    found = client().mget("outer", "inner", "both")
    keyspace.end(2)

    assert found == [None, b"2", b"2"]
    assert contents(client, 0) == {}


def test_a_key_that_a_fixture_deletes_comes_back_when_it_ends(
    client: Client, keyspace: Keyspace
) -> None:
    kept(keyspace, 1, lambda: client().set("outer", 1))
    kept(keyspace, 2, lambda: client().delete("outer"))
    keyspace.finish()
    without = client().exists("outer")
    keyspace.end(2)

    assert (without, client().get("outer")) == (0, b"1")


def test_what_the_teardown_of_a_fixture_writes_is_undone(
    client: Client, keyspace: Keyspace
) -> None:
    kept(keyspace, 1, lambda: client().set("mine", 1))
    client().set("mine", 2)
    client().set("late", 1)
    keyspace.end(1)

    assert contents(client, 0) == {}


def test_a_fixture_that_wrote_nothing_owns_nothing(client: Client, keyspace: Keyspace) -> None:
    kept(keyspace, 1, lambda: client().get("nothing"))
    client().set("mine", 1)
    keyspace.end(1)

    assert contents(client, 0) == {}


def test_a_function_that_a_fixture_loaded_stays_until_it_ends(
    client: Client, keyspace: Keyspace
) -> None:
    kept(keyspace, 1, lambda: client().function_load(LIBRARY), lambda: client().set("a", 1))
    keyspace.finish()
    answer = client().fcall("answer", 0)
    keyspace.end(1)

    assert answer == 42
    assert client().function_list() == []


def test_the_application_s_connections_stay_open(client: Client, keyspace: Keyspace) -> None:
    application = client()
    number = application.client_id()
    keyspace.finish()

    assert application.client_id() == number


def test_a_test_that_changed_the_configuration_of_a_client_does_not_confuse_the_reset(
    client: Client, keyspace: Keyspace
) -> None:
    client().set("a", 1)
    client().client_pause(1, all=False)
    keyspace.finish()
    keyspace.finish()

    assert contents(client, 0) == {}


def test_hundreds_of_keys_are_kept(client: Client, keyspace: Keyspace) -> None:
    many = {f"key {n}": n for n in range(3000)}
    kept(keyspace, 1, lambda: client().mset(many))
    client().flushall()
    keyspace.finish()

    assert client().dbsize() == 3000
    assert client().get("key 2999") == b"2999"
