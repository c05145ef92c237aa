import asyncio

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from cos.db.redis_client import service_redis
from cos.events.event import stream_name
from cos.events.subscribing.acknowledging import Acknowledging
from cos.events.subscribing.consumer_group import ConsumerGroup
from cos.events.subscribing.entry import Entry
from cos.settings import Settings
from testkit.core.naming import UniqueNames


async def _given(redis: Redis, streams: ConsumerGroup) -> list[Entry]:
    """Return entries of two streams that the consumer was given."""
    await streams.create()
    for number in (0, 1, 1):
        await redis.xadd(stream_name(number), {"some": "field"})
    return await streams.read(count=10, block=1.0)


async def _calls(redis: Redis, command: str) -> int:
    found = (await redis.info("commandstats")).get(f"cmdstat_{command}", {})
    return int(found.get("calls", 0))


async def test_the_entries_of_a_moment_are_acknowledged_together(
    async_redis_client: Redis, unique: UniqueNames
) -> None:
    redis, group = async_redis_client, unique("group")
    streams = ConsumerGroup(redis, group, unique("consumer"))
    entries = await _given(redis, streams)
    over: list[Entry] = []
    acknowledging = Acknowledging(streams, over.append)
    before = await _calls(redis, "xack")
    for entry in entries:
        acknowledging.add(entry)
    await acknowledging.drain()
    pending = [(await redis.xpending(stream_name(number), group))["pending"] for number in (0, 1)]
    after = await _calls(redis, "xack")

    assert (over, pending) == (entries, [0, 0])
    # One for each stream.
    assert after - before == 2


async def test_without_redis_the_entries_are_over_and_nothing_is_raised(
    settings: Settings, closed_port: int, unique: UniqueNames
) -> None:
    url = f"redis://127.0.0.1:{closed_port}/0"
    redis = service_redis(settings.model_copy(update={"redis_url": SecretStr(url)}))
    over: list[Entry] = []
    entry = Entry(stream_name(0), "1-1", {})
    acknowledging = Acknowledging(
        ConsumerGroup(redis, unique("group"), unique("consumer")), over.append
    )
    acknowledging.add(entry)
    await acknowledging.drain()
    await redis.aclose()

    assert over == [entry]


async def test_a_redis_that_says_nothing_holds_nobody_up(
    settings: Settings, silent_port: int, unique: UniqueNames
) -> None:
    url = f"redis://127.0.0.1:{silent_port}/0"
    redis = service_redis(settings.model_copy(update={"redis_url": SecretStr(url)}))
    over: list[Entry] = []
    acknowledging = Acknowledging(
        ConsumerGroup(redis, unique("group"), unique("consumer")), over.append
    )
    acknowledging.add(Entry(stream_name(0), "1-1", {}))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await acknowledging.drain()
    await redis.aclose()

    # And no task is left, of which testkit would tell.
    assert len(over) == 1
