import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from cos.db.redis_client import service_redis
from cos.events.event import LIVE_CHANNEL, Event, stream_name
from cos.events.publishing.publication import MAX_BYTES, Appended, Publication, Short
from cos.settings import Settings
from tests.cos.events.relays import entries, published

STREAM = stream_name(0)


def _event(sequence: int = 1, **payload: Any) -> Event:
    return Event(
        id=uuid4(),
        type="module.changed",
        module_id=uuid4(),
        sequence=sequence,
        occurred_at=datetime.now(UTC),
        payload=payload,
    )


@pytest.fixture
async def publication(settings: Settings) -> AsyncIterator[Publication]:
    redis = service_redis(settings)
    yield Publication(redis, stream_length=1_000)
    await redis.aclose()


async def _appended(publication: Publication, *events: Event, after: str | None = None) -> Appended:
    outcome = await publication.publish(0, events, after=after)
    assert isinstance(outcome, Appended)
    return outcome


async def test_a_batch_is_appended_in_its_order_and_its_ids_come_back(
    publication: Publication, async_redis_client: Redis
) -> None:
    batch = [_event(number, text="größer") for number in (1, 2, 3)]
    outcome = await _appended(publication, *batch)

    assert await published(async_redis_client, 0) == batch
    assert list(outcome.stream_ids) == [
        entry.decode() for entry, _ in await entries(async_redis_client, 0)
    ]


async def test_the_same_batch_is_on_the_live_channel_in_its_order(
    publication: Publication, async_redis_client: Redis
) -> None:
    batch = [_event(number) for number in (1, 2)]
    async with async_redis_client.pubsub(ignore_subscribe_messages=True) as live:
        await live.subscribe(LIVE_CHANNEL)
        await live.get_message(timeout=5)
        await _appended(publication, *batch)
        messages = [await live.get_message(timeout=5) for _ in batch]

    assert [json.loads(message["data"])["id"] for message in messages if message] == [
        str(event.id) for event in batch
    ]


async def test_a_stream_that_ends_before_what_it_had_reached_takes_nothing(
    publication: Publication, async_redis_client: Redis
) -> None:
    await async_redis_client.xadd(STREAM, {"of": "before"}, id="1000-5")
    outcome = await publication.publish(0, [_event()], after="1000-6")

    assert outcome == Short("1000-5")
    assert await async_redis_client.xlen(STREAM) == 1


@pytest.mark.parametrize(
    ("there", "reached", "is_short"),
    [
        ("5-0", "5-0", False),
        ("5-1", "5-0", False),
        ("6-0", "5-9", False),
        ("5-9", "6-0", True),
        ("5-9", "5-10", True),
        ("9-0", "10-0", True),
        ("10-0", "9-0", False),
        # Beyond 2 to the power of 53, where neighbours are one number to Lua.
        ("9007199254740993-0", "9007199254740993-0", False),
        ("9007199254740992-0", "9007199254740993-0", True),
        ("5-18446744073709551614", "5-18446744073709551615", True),
        ("5-18446744073709551615", "5-18446744073709551614", False),
    ],
)
async def test_ids_are_compared_as_redis_does(
    publication: Publication, async_redis_client: Redis, there: str, reached: str, *, is_short: bool
) -> None:
    await async_redis_client.xadd(STREAM, {"of": "before"}, id=there)

    assert isinstance(await publication.publish(0, [], after=reached), Short) is is_short


async def test_a_stream_that_is_gone_says_that_nothing_is_there(publication: Publication) -> None:
    assert await publication.publish(0, [_event()], after="1-1") == Short(None)


async def test_a_stream_that_was_only_made_for_a_group_is_as_good_as_gone(
    publication: Publication, async_redis_client: Redis
) -> None:
    await async_redis_client.xgroup_create(STREAM, "of somebody", mkstream=True)

    assert await publication.publish(0, [_event()], after="1-1") == Short(None)


async def test_entries_that_were_deleted_or_trimmed_are_not_lost(
    publication: Publication, async_redis_client: Redis
) -> None:
    (reached,) = (await _appended(publication, _event())).stream_ids
    await async_redis_client.xdel(STREAM, reached)
    outcome = await publication.publish(0, [_event()], after=reached)

    assert isinstance(outcome, Appended)


async def test_without_events_it_only_looks(
    publication: Publication, async_redis_client: Redis
) -> None:
    assert await publication.publish(0, [], after=None) == Appended(())
    assert await async_redis_client.keys() == []


async def test_of_many_bytes_the_first_events_are_taken_and_always_one(
    publication: Publication, async_redis_client: Redis
) -> None:
    large = _event(1, text="x" * MAX_BYTES)
    first = await _appended(publication, large, _event(2))
    second = await _appended(publication, _event(2), _event(3), large)

    assert (len(first.stream_ids), len(second.stream_ids)) == (1, 2)
    assert [event.sequence for event in await published(async_redis_client, 0)] == [1, 2, 3]


async def test_a_redis_that_forgot_the_script_is_given_it_again(
    publication: Publication, async_redis_client: Redis
) -> None:
    await _appended(publication, _event(1))
    await async_redis_client.script_flush()
    await _appended(publication, _event(2))

    assert await async_redis_client.xlen(STREAM) == 2


async def test_a_client_that_decodes_answers_serves_as_well(settings: Settings) -> None:
    url = settings.redis_url.get_secret_value()
    decoding = Settings.model_validate({"redis_url": f"{url}?decode_responses=true"})
    redis = service_redis(decoding)
    try:
        publication = Publication(redis, stream_length=1_000)
        (stream_id,) = (await _appended(publication, _event())).stream_ids
    finally:
        await redis.aclose()

    assert stream_id.partition("-")[1] == "-"


async def test_a_key_that_is_no_stream_is_an_error(
    publication: Publication, async_redis_client: Redis
) -> None:
    await async_redis_client.set(STREAM, "no stream")

    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await publication.publish(0, [_event()], after=None)
