"""Configuration, users, functions and what else a Redis has, as they were before the test.

The rows of the table in docs/how-it-works.md.
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

import pytest
import redis

from testkit.core.messages import TestkitError
from testkit.isolation.keyspace import Keyspace
from tests.support.keyspaces import LIBRARY, kept, settle, state
from tests.support.runs import kept_of
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.keyspaces import Client

OTHER = LIBRARY.replace("42", "43")


def failing(client: Any, *command: str) -> None:
    with pytest.raises(redis.RedisError):
        client.execute_command(*command)


def in_a_transaction(client: Any) -> None:
    with client.pipeline() as commands:
        commands.config_set("maxmemory-policy", "allkeys-lru")
        commands.set("a", 1)
        commands.execute()


def hidden(client: Any) -> None:
    client.config_set("maxmemory-policy", "allkeys-lru")
    client.config_resetstat()


def slow(client: Any) -> None:
    client.config_set("slowlog-log-slower-than", 0)
    client.config_set("latency-monitor-threshold", 1)
    client.execute_command("DEBUG", "SLEEP", "0.002")


def rewriting(client: Any) -> None:
    """Rewrite the file, behind the rewriting that a test before this one has set off."""
    wait_until(lambda: not client.info("persistence")["aof_rewrite_in_progress"])
    client.set("a", 1)
    client.bgrewriteaof()


DONE: dict[str, Callable[[Any], object]] = {
    "CONFIG SET": lambda c: c.config_set("maxmemory-policy", "allkeys-lru"),
    "CONFIG SET of two": lambda c: c.config_set("save", "60 1", "timeout", "100"),
    "CONFIG SET notify": lambda c: c.config_set("notify-keyspace-events", "KEA"),
    "CONFIG SET maxmemory": lambda c: [c.set("a", "x" * 99), c.config_set("maxmemory", 1)],
    "CONFIG SET that refuses writes": lambda c: [
        c.set("a", 1),
        c.config_set("min-replicas-to-write", 1),
    ],
    "CONFIG SET port": lambda c: c.config_set("port", 0),
    "CONFIG SET requirepass": lambda c: c.config_set("requirepass", "other"),
    "CONFIG SET maxclients": lambda c: c.config_set("maxclients", 1),
    "CONFIG SET in MULTI": in_a_transaction,
    "CONFIG RESETSTAT after CONFIG SET": hidden,
    "SLOWLOG and LATENCY": slow,
    "ACL SETUSER": lambda c: c.acl_setuser(
        "alice", enabled=True, passwords="+pw", keys="a:*", commands=["+get"], selectors=[("+set", "~b:*")]
    ),
    "ACL SETUSER default off": lambda c: c.acl_setuser("default", enabled=False),
    "ACL SETUSER default without password": lambda c: c.execute_command(
        "ACL", "SETUSER", "default", "resetpass"
    ),
    "ACL SETUSER default without rights": lambda c: c.acl_setuser("default", reset=True),
    "ACL SETUSER testkit": lambda c: c.acl_setuser("testkit", reset=True),
    "ACL DELUSER testkit": lambda c: c.acl_deluser("testkit"),
    "ACL LOG": lambda c: failing(c, "AUTH", "nobody", "wrong"),
    "FUNCTION LOAD": lambda c: c.function_load(LIBRARY),
    "FUNCTION RESTORE": lambda c: [
        c.function_load(LIBRARY),
        c.function_restore(c.function_dump(), "REPLACE"),
    ],
    "SCRIPT LOAD": lambda c: c.script_load("return 1"),
    "EVAL": lambda c: c.eval("redis.call('set', 'a', 1)", 0),
    "REPLICAOF": lambda c: [c.set("a", 1), c.replicaof("127.0.0.1", 1)],
    "SLAVEOF": lambda c: c.slaveof("127.0.0.1", 1),
    "SWAPDB": lambda c: [c.set("a", 1), c.swapdb(0, 3)],
    "FLUSHALL": lambda c: c.flushall(),
    "SAVE": lambda c: c.save(),
    "BGREWRITEAOF": rewriting,
    "DEBUG SLEEP": lambda c: c.execute_command("DEBUG", "SLEEP", "0.01"),
    "SCRIPT FLUSH": lambda c: [c.script_load("return 1"), c.script_flush()],
    "CLIENT UNBLOCK": lambda c: c.client_unblock(c.client_id()),
    "CLIENT KILL": lambda c: c.client_kill_filter(_type="normal", skipme=True),
    "PUBLISH": lambda c: c.publish("news", "x"),
    "MEMORY PURGE": lambda c: c.memory_purge(),
    "keys with TTL": lambda c: c.set("a", 1, ex=100),
    "a stream with a group": lambda c: c.xgroup_create("s", "g", mkstream=True),
    "CLIENT PAUSE WRITE": lambda c: c.client_pause(60_000, all=False),
    "CLUSTER": lambda c: failing(c, "CLUSTER", "MEET", "127.0.0.1", "1"),
    "FAILOVER": lambda c: failing(c, "FAILOVER"),
    "MODULE LOAD": lambda c: failing(c, "MODULE", "LOAD", "/nowhere"),
    "ACL LOAD": lambda c: failing(c, "ACL", "LOAD"),
}  # fmt: skip


@pytest.mark.parametrize("what", DONE)
def test_a_redis_is_as_it_was(client: Client, keyspace: Keyspace, what: str) -> None:
    before = state(client.server)
    DONE[what](client())
    keyspace.finish()

    assert state(client.server) == before


# These meet what the fixture left; the others have been tried on a Redis without one.
MEETING = {
    *(
        "CONFIG SET",
        "CONFIG SET notify",
        "CONFIG SET requirepass",
        "CONFIG RESETSTAT after CONFIG SET",
    ),
    *("ACL SETUSER", "ACL SETUSER testkit", "FUNCTION LOAD", "FUNCTION RESTORE", "SWAPDB"),
    *("FLUSHALL", "REPLICAOF", "SCRIPT FLUSH", "keys with TTL", "a stream with a group"),
}


@pytest.mark.parametrize(
    "what",
    [pytest.param(what, marks=[] if what in MEETING else [pytest.mark.slow]) for what in DONE],
)
def test_what_fixtures_left_is_as_it_was(client: Client, keyspace: Keyspace, what: str) -> None:
    """Each of them may be changed by what the test does."""
    origin = state(client.server)
    kept(
        keyspace,
        1,
        lambda: client().config_set("maxmemory-policy", "volatile-lru"),
        lambda: client().config_set("notify-keyspace-events", "Ex"),
        lambda: client().acl_setuser("alice", enabled=True, nopass=True, commands=["+ping"]),
        lambda: client().function_load(OTHER.replace("mine", "theirs").replace("answer", "more")),
        lambda: client().set("a", "of the fixture", ex=1000),
        lambda: client().xgroup_create("stream", "group", mkstream=True),
    )
    before = state(client.server)
    DONE[what](client())
    keyspace.finish()
    after = state(client.server)
    keyspace.end(1)

    assert after == before
    assert state(client.server) == origin


@pytest.mark.slow
def test_a_rewritten_file_stays_in_a_folder_that_nobody_else_reads(doomed: Client) -> None:
    """The server gives it the rights of any new file; it is not read again."""
    keyspace = Keyspace(doomed.server.address)
    doomed().config_set("timeout", 7)
    doomed().config_rewrite()
    keyspace.finish()
    keyspace.close()

    assert doomed().config_get("timeout") == {"timeout": "0"}
    assert kept_of(doomed.server).directory.stat().st_mode & 0o077 == 0


def test_fixtures_own_what_they_set_until_they_end(client: Client, keyspace: Keyspace) -> None:
    def found() -> tuple[object, ...]:
        keyspace.finish()
        [timeout] = client().config_get("timeout").values()
        return (timeout, sorted(client().acl_users()), client().function_list() != [])

    kept(
        keyspace, 1, lambda: client().config_set("timeout", 100), lambda: client().acl_setuser("a")
    )
    kept(
        keyspace, 2, lambda: client().config_set("timeout", 200), lambda: client().acl_deluser("a")
    )
    kept(keyspace, 3, lambda: client().acl_setuser("b"), lambda: client().function_load(LIBRARY))
    client().config_set("timeout", 300)
    client().acl_deluser("b")
    client().function_flush()
    steps = [found()]
    for owner in (2, 1, 3):
        keyspace.end(owner)
        steps.append(found())

    assert steps == [
        ("200", ["b", "default", "testkit"], True),
        ("100", ["a", "b", "default", "testkit"], True),
        ("0", ["b", "default", "testkit"], True),
        ("0", ["default", "testkit"], False),
    ]


def test_a_library_that_took_a_function_s_name_gives_it_back(
    client: Client, keyspace: Keyspace
) -> None:
    kept(keyspace, 1, lambda: client().function_load(LIBRARY))
    client().function_delete("mine")
    client().function_load(OTHER.replace("mine", "theirs"))
    keyspace.finish()
    answer = client().fcall("answer", 0)
    keyspace.end(1)

    assert answer == 42


def test_a_group_that_a_fixture_added_to_another_one_s_stream_stays(
    client: Client, keyspace: Keyspace
) -> None:
    kept(keyspace, 1, lambda: client().xadd("stream", {"a": 1}))
    kept(keyspace, 2, lambda: client().xgroup_create("stream", "group"))
    kept(keyspace, 3, lambda: client().set("a", 1))
    keyspace.end(3)

    assert [group["name"] for group in client().xinfo_groups("stream")] == [b"group"]


def test_a_fixture_s_password_of_default_is_kept(client: Client, keyspace: Keyspace) -> None:
    kept(
        keyspace,
        1,
        lambda: client().acl_setuser(
            "default", enabled=True, passwords="+second", keys="*", commands=["+@all"]
        ),
    )
    before = client().acl_getuser("default")["passwords"]
    client().acl_setuser("default", enabled=True, reset_passwords=True, nopass=True)
    keyspace.finish()

    assert client().acl_getuser("default")["passwords"] == before
    assert len(before) == 2


def test_switches_of_debug_are_turned_back(client: Client, keyspace: Keyspace) -> None:
    client().execute_command("DEBUG", "SET-ACTIVE-EXPIRE", "0")
    keyspace.finish()
    client().set("short", 1, px=1)
    deadline = time.monotonic() + 5
    while client().dbsize() and time.monotonic() < deadline:
        pass

    assert client().dbsize() == 0


@pytest.mark.parametrize("closed", ["before", "after"])
def test_scripts_run_after_somebody_debugged_one(
    client: Client, keyspace: Keyspace, closed: str
) -> None:
    """Valkey 9.1 crashes at the next one, once he has closed his connection."""
    connection = client.connection("SCRIPT DEBUG YES")
    if closed == "before":
        connection.close()
    keyspace.finish()
    connection.close()
    settle(client.server)

    assert client().eval("return 1", 0) == 1


def test_what_was_slow_is_forgotten(client: Client, keyspace: Keyspace) -> None:
    client().execute_command("DEBUG", "SLEEP", "0.02")
    noted = client().slowlog_get()
    keyspace.finish()

    assert [each["command"] for each in noted] == [b"DEBUG SLEEP 0.02"]
    assert not any(b"SLEEP" in each["command"] for each in client().slowlog_get())


def test_counts_begin_at_nought(client: Client, keyspace: Keyspace) -> None:
    client().get("missing")
    keyspace.finish()

    assert client().info("stats")["keyspace_misses"] == 0
    assert "cmdstat_get" not in client().info("commandstats")


def test_a_lockout_is_told_and_does_not_outlast_the_way_in(
    client: Client, keyspace: Keyspace
) -> None:
    other = client()
    other.acl_setuser("spare", enabled=True, nopass=True, keys="*", commands=["+@all"])
    other.execute_command("AUTH", "spare", "")
    keyspace.finish()
    with client().client() as kept_open:
        kept_open.acl_deluser("testkit")
        rules = kept_open.acl_list()[0].split(" ")[2:]
        kept_open.acl_setuser("way", enabled=True, nopass=True, keys="*", commands=["+@all"])
        kept_open.execute_command("AUTH", "way", "")
        kept_open.execute_command("ACL", "SETUSER", "default", "resetpass")
        with pytest.raises(TestkitError, match="testkit is locked out") as caught:
            keyspace.finish()
        kept_open.execute_command("ACL", "SETUSER", "default", "reset", *rules)
        kept_open.set("left", 1)
    keyspace.finish()

    assert caught.value.code == "TK310"
    assert client().keys() == []
    assert sorted(client().acl_users()) == ["default", "testkit"]


def test_keys_of_a_fixture_that_has_left_no_room_for_them_are_named(
    client: Client, keyspace: Keyspace
) -> None:
    kept(keyspace, 1, lambda: client().set("a", 1), lambda: client().config_set("maxmemory", 1))
    with pytest.raises(TestkitError, match=r"keys of fixtures in database 0\): .*maxmemory"):
        keyspace.finish()
    keyspace.end(1)

    assert client().keys() == []


def test_a_setting_that_cannot_be_put_back_is_named(client: Client, keyspace: Keyspace) -> None:
    """Nothing can listen where somebody else does."""
    with client().client() as kept_open:
        kept_open.config_set("port", 0)
        with (
            socket.create_server(("127.0.0.1", client.server.port)),
            pytest.raises(TestkitError, match=r"CONFIG port\): .*") as caught,
        ):
            keyspace.finish()
        keyspace.finish()

    assert caught.value.code == "TK310"
    assert client().ping()
