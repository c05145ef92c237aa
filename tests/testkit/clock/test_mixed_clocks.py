"""Instants of the test's clock on their way to Redis."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from testkit.clock.mixed_clocks import absolute_expiry
from testkit.pytest_plugin.clock_use import MixedClocksWarning
from tests.support.suites import Suite

if TYPE_CHECKING:
    from pathlib import Path

    import redis
    import redis.asyncio

    from testkit.clock import Clock


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("EXPIREAT", "key", 7), 7_000_000_000),
        ((b"pexpireat", b"key", b"7000"), 7_000_000_000),
        (("SET", "key", "EXAT", "EX", 7), None),
        (("SET", "key", "value", "EXAT", 7), 7_000_000_000),
        (("SET", "key", "value", "NX", "pxat", "7"), 7_000_000),
        (("GETEX", "key", "EXAT", 7), 7_000_000_000),
        (("EXPIREAT", "key", "soon"), None),
        (("EXPIRE", "key", 7), None),
        (("PING",), None),
    ],
)
def test_an_absolute_expiry_is_found(command: tuple[object, ...], expected: int | None) -> None:
    assert absolute_expiry(command) == expected


def _texts(clock: Clock) -> str:
    return str(clock.mixed("the test"))


def test_an_instant_of_a_moved_clock_is_seen(clock: Clock, redis_client: redis.Redis) -> None:
    clock.advance(3600)
    redis_client.set("key", "value", exat=int(time.time()) + 60)
    redis_client.expireat("key", int(time.time()) + 60)
    with redis_client.pipeline() as pipeline:
        pipeline.pexpireat("other", int(time.time() * 1000) + 60)
        pipeline.execute()
    found = _texts(clock)
    clock._mixed.seen.clear()

    assert "SET key, EXPIREAT key, PEXPIREAT other" in found


async def test_asynchronous_clients_are_seen(
    clock: Clock, async_redis_client: redis.asyncio.Redis
) -> None:
    clock.freeze("2030-01-01")
    await async_redis_client.set("key", "value", exat=int(time.time()) + 60)
    found = _texts(clock)
    clock._mixed.seen.clear()

    assert "SET key" in found


def test_the_server_s_own_instants_and_relative_ones_are_no_mix(
    clock: Clock, redis_client: redis.Redis
) -> None:
    clock.advance(3600, hands="wall")
    redis_client.set("key", "value", ex=60)
    redis_client.expireat("key", redis_client.time()[0] + 60)

    assert time.time() > 0
    assert clock.mixed("the test") is None


def test_an_unmoved_clock_mixes_nothing(clock: Clock, redis_client: redis.Redis) -> None:
    redis_client.set("key", "value", exat=int(time.time()) + 60)
    clock.advance(3600, hands="monotonic")
    redis_client.expireat("key", int(time.time()) + 60)

    assert time.monotonic() > 0
    assert clock.mixed("the test") is None


def test_the_plugin_warns(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path,
        test_it="""
        import time

        def test_it(clock, redis_client):
            clock.advance(3600)
            redis_client.set("key", "value", exat=int(time.time()) + 60)
        """,
    )
    kind = f"{MixedClocksWarning.__module__}.{MixedClocksWarning.__name__}"
    outcome = suite.run("-W", f"error::{kind}")

    outcome.check(code=1, error=1)
    assert MixedClocksWarning.__name__ in outcome.text
    assert "TK665" in outcome.text
