"""Random programs on several connections to a Redis are undone exactly."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
import redis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from testkit.core.messages import TestkitError
from testkit.isolation.keyspace import Keyspace
from tests.support.keyspaces import LIBRARY, kept, settle, state

if TYPE_CHECKING:
    from testkit.isolation.redis_traces import Traces
    from tests.support.keyspaces import Client

Command = tuple[str, ...]

KEY = st.sampled_from(["a", "b", "list", "set", "sorted", "hash", "stream"])
NUMBER = st.integers(0, 3).map(str)
COMMANDS: st.SearchStrategy[Command] = st.one_of(
    st.tuples(st.just("SET"), KEY, NUMBER),
    st.tuples(st.just("SET"), KEY, NUMBER, st.just("PX"), st.sampled_from(["1", "100000"])),
    st.tuples(st.just("RPUSH"), st.just("list"), NUMBER),
    st.tuples(st.just("SADD"), st.just("set"), NUMBER),
    st.tuples(st.just("ZADD"), st.just("sorted"), NUMBER, NUMBER),
    st.tuples(st.just("HSET"), st.just("hash"), NUMBER, NUMBER),
    st.tuples(st.just("XADD"), st.just("stream"), st.just("*"), st.just("f"), NUMBER),
    st.tuples(st.just("XGROUP"), st.just("CREATE"), st.just("stream"), NUMBER, st.just("0")),
    st.tuples(st.just("XREADGROUP"), st.just("GROUP"), NUMBER, st.just("me"), st.just("STREAMS"), st.just("stream"), st.just(">")),
    st.tuples(st.sampled_from(["DEL", "PERSIST", "WATCH"]), KEY),
    st.tuples(st.just("RENAME"), KEY, KEY),
    st.tuples(st.just("MOVE"), KEY, NUMBER),
    st.tuples(st.just("EXPIRE"), KEY, st.just("100")),
    st.tuples(st.just("SELECT"), NUMBER),
    st.tuples(st.just("SWAPDB"), NUMBER, NUMBER),
    st.tuples(st.just("EVAL"), st.builds("redis.call('incr', 'n'); return {0}".format, NUMBER), st.just("0")),
    st.tuples(st.just("CONFIG"), st.just("SET"), st.sampled_from(["timeout", "hz", "min-replicas-to-write", "maxmemory-samples"]), st.integers(1, 3).map(str)),
    st.tuples(st.just("CONFIG"), st.just("SET"), st.just("maxmemory"), st.sampled_from(["1", "1gb"])),
    st.tuples(st.just("CONFIG"), st.just("SET"), st.just("requirepass"), st.sampled_from(["x", ""])),
    st.tuples(st.just("ACL"), st.just("SETUSER"), st.sampled_from(["alice", "default", "kept"]), st.sampled_from(["on", "off", "nopass", "resetpass", ">pw", "~a:*", "-@all", "+get", "(+set ~b)"])),
    st.tuples(st.just("ACL"), st.just("DELUSER"), st.sampled_from(["alice", "kept"])),
    st.tuples(st.just("FUNCTION"), st.sampled_from(["FLUSH"])),
    st.tuples(st.just("FUNCTION"), st.just("DELETE"), st.sampled_from(["mine", "theirs"])),
    st.tuples(st.just("FUNCTION"), st.just("LOAD"), st.just("REPLACE"), st.sampled_from([LIBRARY, LIBRARY.replace("42", "43")])),
    st.tuples(st.sampled_from(["SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "PUBLISH"]), st.just("news"), st.just("x")),
    st.tuples(st.just("BLPOP"), st.just("list"), st.just("0")),
    st.tuples(st.just("WAIT"), st.just("1"), st.just("0")),
    st.tuples(st.just("CLIENT"), st.just("PAUSE"), st.just("60000"), st.just("WRITE")),
    st.tuples(st.just("CLIENT"), st.just("REPLY"), st.sampled_from(["OFF", "SKIP"])),
    st.tuples(st.just("CLIENT"), st.just("KILL"), st.just("TYPE"), st.just("normal")),
    st.tuples(st.just("REPLICAOF"), st.just("127.0.0.1"), st.just("1")),
    st.sampled_from([
        ("MULTI",), ("MULTI",), ("EXEC",), ("EXEC",), ("DISCARD",), ("MONITOR",), ("FLUSHALL",), ("RESET",), ("SCRIPT", "FLUSH"),
        ("CONFIG", "RESETSTAT"), ("SLOWLOG", "RESET"), ("CLIENT", "TRACKING", "ON"), ("CLIENT", "UNPAUSE"), ("SAVE",),
    ]),
)  # fmt: skip
STEPS = st.lists(st.tuples(st.integers(0, 3), COMMANDS), min_size=5, max_size=40)
PHASES = [Phase.generate, Phase.shrink]
CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


class Blind(Keyspace):
    """Overlooks that somebody sent CONFIG SET: a reset that is broken."""

    def _traces(self, info: bytes) -> Traces:
        seen = super()._traces(info)
        return seen._replace(commands=seen.commands - {b"config|set"}, complete=True)


def fixture(client: Any) -> None:
    """Leave something of every kind."""
    client.rpush("list", 1, 2)
    client.set("a", 1, ex=1000)
    client.xgroup_create("stream", "1", mkstream=True)
    client.config_set("timeout", 2000)
    client.acl_setuser("kept", enabled=True, nopass=True, commands=["+get"])
    client.function_load(LIBRARY.replace("mine", "theirs").replace("answer", "more"))


def difference(
    client: Client, keyspace: Keyspace, steps: list[tuple[int, Command]]
) -> dict[str, object]:
    """Return what of a Redis, in which a fixture left something, a program has changed."""
    kept(keyspace, 1, lambda: fixture(client()))
    before = state(client.server)
    connections = [client.connection() for _ in range(4)]
    for number, command in steps:
        # The test may have ended this one.
        with contextlib.suppress(redis.ConnectionError):
            # Nobody waits for an answer: to some there is none.
            connections[number].send(command)
            settle(client.server)
    keyspace.finish()
    after = state(client.server)
    keyspace.end(1)
    return {name: (value, after[name]) for name, value in before.items() if after[name] != value}


CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
PHASES = [Phase.generate, Phase.shrink]


@settings(max_examples=15, deadline=None, suppress_health_check=CHECKS, phases=PHASES)
@given(steps=STEPS)
def test_any_program_is_undone(
    client: Client, keyspace: Keyspace, steps: list[tuple[int, Command]]
) -> None:
    assert difference(client, keyspace, steps) == {}


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=CHECKS, phases=PHASES)
@given(steps=STEPS)
def test_any_of_many_programs_is_undone(
    client: Client, keyspace: Keyspace, steps: list[tuple[int, Command]]
) -> None:
    assert difference(client, keyspace, steps) == {}


@pytest.mark.slow
def test_a_reset_that_is_broken_is_found_out(doomed: Client) -> None:
    blind = Blind(doomed.server.address)
    found: list[dict[str, object]] = []

    @settings(max_examples=100, deadline=None, suppress_health_check=CHECKS, database=None)
    @given(steps=STEPS)
    def look(steps: list[tuple[int, Command]]) -> None:
        if found:
            return
        try:
            changed = difference(doomed, blind, steps)
        except (redis.RedisError, TestkitError) as error:
            # What is left may be in the way of the reset itself, or of the next fixture.
            changed = {"error": error}
        if changed:
            found.append(changed)

    look()
    blind.close()

    assert found
