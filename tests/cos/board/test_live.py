import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from redis import Redis as SyncRedis
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from cos.board.live import LiveFeed, Reader, server_sent
from cos.db.redis_client import service_redis
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


async def test_a_stream_begins_with_how_soon_to_come_back_and_names_what_changed() -> None:
    reader = Reader()
    stream = server_sent(reader, interval=0, keep_alive=LONG)
    first = await anext(stream)
    reader.tell("modules", "events")

    assert first == "retry: 1000\n\n"
    assert await anext(stream) == "event: events\ndata: -\n\nevent: modules\ndata: -\n\n"

    await stream.aclose()


async def test_a_quiet_stream_tells_the_summary_now_and_then() -> None:
    stream = server_sent(Reader(), interval=0, keep_alive=0.001)
    _ = await anext(stream)

    assert [await anext(stream) for _ in range(2)] == ["event: summary\ndata: -\n\n"] * 2

    await stream.aclose()


async def test_a_stream_ends_at_once_when_the_server_stops() -> None:
    feed = LiveFeed(Redis())
    with feed.reader() as waiting, feed.reader() as resting:
        quiet = server_sent(waiting, interval=LONG, keep_alive=LONG)
        busy = server_sent(resting, interval=LONG, keep_alive=LONG)
        _ = await anext(quiet), await anext(busy)
        resting.tell("modules")
        _ = await anext(busy)
        next_ones = [asyncio.create_task(anext(stream, None)) for stream in (quiet, busy)]
        await asyncio.wait(next_ones, timeout=0)
        feed.close()
        ends = await asyncio.wait_for(asyncio.gather(*next_ones), LONG)
    with feed.reader() as late:
        after = [part async for part in server_sent(late, interval=LONG, keep_alive=LONG)]

    assert (ends, after) == ([None, None], ["retry: 1000\n\n"])
