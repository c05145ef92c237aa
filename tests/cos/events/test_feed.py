import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from redis import Redis as SyncRedis
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from cos.db.redis_client import service_redis
from cos.events.feed import LiveFeed, Reader
from cos.settings import Settings

LONG = 30.0


@asynccontextmanager
async def _running(redis: Redis) -> AsyncIterator[LiveFeed]:
    """Run a feed that has its connection, and stop it."""
    feed, stop = LiveFeed(redis, look=0.01, pause=0.01), asyncio.Event()
    with feed.reader() as first:
        task = asyncio.create_task(feed.run(stop))
        await first.changed(within=LONG)
    assert feed.connected
    try:
        yield feed
    finally:
        stop.set()
        await task


@pytest.fixture
async def redis(settings: Settings) -> AsyncIterator[Redis]:
    """The service's client."""
    client = service_redis(settings)
    yield client
    await client.aclose()


@pytest.mark.parametrize(
    ("message", "topics"),
    [
        ('{"type": "module.registered"}', ["events", "modules", "summary"]),
        ('{"type": "health.changed"}', ["events", "modules", "summary"]),
        ('{"type": "something.younger"}', ["events"]),
        ("{}", ["events"]),
        ("[1]", ["events"]),
        ('{"type": 7}', ["events"]),
        ("no json", ["events"]),
        (b"\xff\xfe", ["events"]),
    ],
)
async def test_an_event_tells_what_it_changed(
    redis: Redis, redis_client: SyncRedis, message: str | bytes, topics: list[str]
) -> None:
    async with _running(redis) as feed:
        with feed.reader() as reader:
            redis_client.publish("cos:live", message)
            told = await reader.changed(within=LONG)

    assert told == topics


async def test_every_reader_is_told_and_one_that_left_is_not(
    redis: Redis, redis_client: SyncRedis
) -> None:
    async with _running(redis) as feed:
        with feed.reader() as gone:
            pass
        with feed.reader() as one, feed.reader() as other:
            redis_client.publish("cos:live", "{}")
            told = await one.changed(within=LONG), await other.changed(within=LONG)

        assert told == (["events"], ["events"])
        assert await gone.changed(within=0) == []


async def test_a_lost_connection_is_found_again_and_told(
    redis: Redis, redis_client: SyncRedis
) -> None:
    async with _running(redis) as feed:
        with feed.reader() as reader:
            redis_client.client_kill_filter(_type="pubsub")
            returned = await reader.changed(within=LONG)
            redis_client.publish("cos:live", "{}")
            told = await reader.changed(within=LONG)

    assert (returned, told) == (["events", "modules", "summary"], ["events"])


async def test_without_redis_it_goes_on_looking_until_it_is_stopped(
    settings: Settings, closed_port: int
) -> None:
    nowhere = Redis(host="127.0.0.1", port=closed_port, retry=Retry(NoBackoff(), 0))
    feed, stop = LiveFeed(nowhere, look=0.01, pause=0.01), asyncio.Event()
    task = asyncio.create_task(feed.run(stop))
    with feed.reader() as reader, suppress(TimeoutError):
        await reader.changed(within=0.05)
    stop.set()
    await asyncio.wait_for(task, LONG)
    await nowhere.aclose()

    assert not feed.connected


async def test_many_changes_between_two_looks_are_told_once() -> None:
    reader = Reader()
    for _ in range(1_000):
        reader.tell("modules", "summary")
    reader.tell("events")

    assert await reader.changed(within=0) == ["events", "modules", "summary"]
    assert await reader.changed(within=0) == []
