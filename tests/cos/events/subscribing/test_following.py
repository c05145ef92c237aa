"""Reading along with the streams, over the loss of Redis."""

import asyncio
import uuid
from contextlib import aclosing
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from cos.db.redis_client import service_redis
from cos.events.event import partition_of, stream_name, to_fields
from cos.events.subscribing.entry import read_event
from cos.events.subscribing.following import BEGINNING, follow
from cos.settings import Settings
from tests.cos.events.subscribers import SECONDS, event, publish, until


async def _blocked(redis: Any) -> bool:
    return bool((await redis.info("clients"))["blocked_clients"])


async def test_it_begins_with_what_is_new(redis: Redis) -> None:
    module = uuid.uuid4()
    await publish(redis, [event(module, 1)])
    async with aclosing(follow(redis)) as entries, asyncio.timeout(SECONDS):
        task = asyncio.create_task(anext(entries))
        await until(lambda: _blocked(redis))
        await publish(redis, [event(module, 2)])
        entry = await task

    assert read_event(entry.fields).sequence == 2


async def test_entries_of_different_streams_are_in_the_order_of_time(redis: Redis) -> None:
    modules = [uuid.uuid4() for _ in range(8)]
    await publish(redis, [event(module, 1) for module in modules])
    async with aclosing(follow(redis, since=BEGINNING)) as entries, asyncio.timeout(SECONDS):
        found = [await anext(entries) for _ in modules]
    times = [int(entry.id.partition("-")[0]) for entry in found]

    assert times == sorted(times)
    assert {read_event(entry.fields).module_id for entry in found} == set(modules)


async def test_a_redis_that_came_back_with_less_is_read_from_its_beginning(
    redis: Redis, settings: Settings
) -> None:
    module = uuid.uuid4()
    stream = stream_name(partition_of(module))
    hasty = service_redis(settings.model_copy(update={"redis_timeout": 0.05}))
    lost: list[Exception] = []
    client: Any = redis
    async with (
        aclosing(follow(hasty, pause=0.01, block=0.02, on_lost=lost.append)) as entries,
        asyncio.timeout(SECONDS),
    ):
        task = asyncio.create_task(anext(entries))
        await until(lambda: _blocked(redis))
        await publish(redis, [event(module, 1)])
        await task
        await client.delete(stream)
        await client.xadd(stream, to_fields(event(module, 2)), id="1-1")
        task = asyncio.create_task(anext(entries))
        while not lost:
            # The next command is answered when it has passed.
            await client.execute_command("CLIENT", "PAUSE", 200, "ALL")
        entry = await task
    await hasty.aclose()

    assert entry.id == "1-1"


async def test_a_redis_that_is_down_at_the_beginning_is_told(closed_port: int) -> None:
    address = f"redis://127.0.0.1:{closed_port}/0"
    nowhere = service_redis(Settings.model_validate({"redis_url": address}))
    async with aclosing(follow(nowhere)) as entries:
        with pytest.raises(RedisConnectionError):
            await anext(entries)
    await nowhere.aclose()
