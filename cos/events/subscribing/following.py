"""Reading along with the streams, without a group: nothing is acknowledged, nothing is kept."""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from cos.events.subscribing.consumer_group import STREAMS
from cos.events.subscribing.entry import Entry

__all__ = ["BEGINNING", "STREAM_ID", "follow"]

STREAM_ID: Final = re.compile(r"(\d{1,15})-(\d{1,15})")
BEGINNING: Final = "0-0"
LOST: Final = (RedisError, OSError)
READ_AT_ONCE: Final = 100


async def follow(
    redis: Redis,
    *,
    since: str | None = None,
    pause: float = 1.0,
    block: float = 1.0,
    on_lost: Callable[[Exception], None] = lambda _error: None,
) -> AsyncGenerator[Entry, None]:
    """Yield the entries of all streams behind the id ``since``, by default what comes from now on.

    Raises `redis.exceptions.RedisError` when Redis cannot be reached at the beginning. When it is
    lost later, ``on_lost`` is called once, and it goes on where it was as soon as Redis is back;
    where that came back with less, from the beginning of what there is.
    """
    client: Any = redis
    places = dict.fromkeys(STREAMS, since) if since else await _ends(client)
    lost = False
    while True:
        # redis-py looks into its connection under a time limit of 0 seconds, and takes a
        # cancellation that was asked for just before for the end of that limit: it is lost.
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError
        try:
            if lost:
                places = _within(places, await _ends(client))
                lost = False
            answer = await client.xread(places, count=READ_AT_ONCE, block=round(block * 1000))
        except LOST as error:
            if not lost:
                on_lost(error)
            lost = True
            await asyncio.sleep(pause)
            continue
        for entry in _entries(answer):
            yield entry
            places[entry.stream] = entry.id


async def _ends(client: Any) -> dict[str, str]:
    return {stream: await _end(client, stream) for stream in STREAMS}


async def _end(client: Any, stream: str) -> str:
    try:
        return str((await client.xinfo_stream(stream))["last-generated-id"].decode())
    except ResponseError as error:
        if "no such key" in str(error):
            return BEGINNING
        raise


def _within(places: dict[str, str], ends: dict[str, str]) -> dict[str, str]:
    return {
        stream: place if _number(place) <= _number(ends[stream]) else BEGINNING
        for stream, place in places.items()
    }


def _number(stream_id: str) -> tuple[int, int]:
    time, _, count = stream_id.partition("-")
    return int(time), int(count)


def _entries(answer: Any) -> list[Entry]:
    found = [
        Entry(stream.decode(), name.decode(), fields)
        for stream, entries in answer or []
        for name, fields in entries
    ]
    # Streams are answered one after another; by their ids the entries are in the order of time.
    return sorted(found, key=lambda entry: _number(entry.id))
