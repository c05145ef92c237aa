"""Many requests under a clock that stands: none of them may time out."""

from __future__ import annotations

import asyncio
import random
import threading
from typing import TYPE_CHECKING

import asyncpg
import psycopg
import pytest
import redis.asyncio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from testkit.clock import Clock
    from testkit.isolation.database import Database
    from testkit.servers.redis import RedisServer

_SECONDS = 30  # of each request's timeout, by a clock that jumps hours


async def _requests(
    name: str, request: Callable[[], Awaitable[object]], count: int
) -> list[tuple[str, int]]:
    """Return which of these requests timed out, with timers of all lengths between them."""
    chance, spurious = random.Random(name), []
    for number in range(count):
        try:
            async with asyncio.timeout(_SECONDS):
                await request()
        except TimeoutError:
            spurious.append((name, number))
        await asyncio.sleep(chance.choice((0, 0.001, 0.02, 3600)))
    return spurious


async def _jumps(over: threading.Event) -> int:
    """Sleep for hours, again and again, in a loop of another thread."""
    jumps = 0
    while not over.is_set():
        await asyncio.sleep(3600)
        jumps += 1
    return jumps


async def _spurious(
    clock: Clock, redis_url: str, postgres_url: str, count: int
) -> list[tuple[str, int]]:
    """Return which of 6 x count requests timed out, from six clients at once."""
    blob = b"x" * 700_000  # comes in several reads
    over, jumps = threading.Event(), list[int]()
    async with (
        redis.asyncio.Redis.from_url(redis_url, socket_timeout=_SECONDS) as keys,
        redis.asyncio.Redis.from_url(redis_url, protocol=3, socket_timeout=_SECONDS) as blobs,
        await psycopg.AsyncConnection.connect(postgres_url) as rows,
    ):
        other = await asyncpg.connect(postgres_url, command_timeout=_SECONDS)
        try:
            await blobs.set("blob", blob)
            clock.freeze("2030-01-01")
            # No job of an executor: that would be in flight, and nothing would jump.
            jumping = threading.Thread(target=lambda: jumps.append(asyncio.run(_jumps(over))))
            jumping.start()
            tasks: dict[str, Callable[[], Awaitable[object]]] = {
                "incr": lambda: keys.incr("count"),
                "get": lambda: blobs.get("blob"),
                "psycopg": lambda: rows.execute("SELECT pg_sleep(0.002)"),
                "asyncpg": lambda: other.fetchval("SELECT pg_sleep(0.002)"),
                "thread": lambda: asyncio.to_thread(sum, range(10_000)),
                "blpop": lambda: keys.blpop(["nothing"], timeout=0.01),
            }
            found = await asyncio.gather(
                *(_requests(name, task, count) for name, task in tasks.items())
            )
            over.set()
            jumping.join(10)
            assert jumps[0] > 10
            return [one for names in found for one in names]
        finally:
            over.set()
            clock.unfreeze()
            await other.close()


@pytest.mark.slow
async def test_no_request_of_hundreds_times_out(
    clock: Clock, database: Database, redis_server: RedisServer
) -> None:
    assert await _spurious(clock, redis_server.url, database.url(driver="libpq"), 50) == []


@pytest.mark.soak
@pytest.mark.timeout(1800)
async def test_no_request_of_thousands_times_out(
    clock: Clock, database: Database, redis_server: RedisServer
) -> None:
    assert await _spurious(clock, redis_server.url, database.url(driver="libpq"), 1800) == []
