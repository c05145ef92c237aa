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
from tests.support.programs import COMMANDS, Command

if TYPE_CHECKING:
    from testkit.isolation.redis_traces import Traces
    from tests.support.keyspaces import Client

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


@pytest.mark.soak
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
