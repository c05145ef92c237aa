import asyncio
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from cos.events.subscribing.consumer_group import FIRST, STREAMS, ConsumerGroup, GroupMissingError
from testkit.core.naming import UniqueNames
from tests.cos.events.subscribers import until


@pytest.fixture
async def consumers(redis: Redis, unique: UniqueNames) -> list[ConsumerGroup]:
    """Two consumers of one group that is there."""
    group = unique("group")
    made = [ConsumerGroup(redis, group, unique("consumer")) for _ in range(2)]
    await made[0].create()
    return made


async def test_a_group_is_made_where_it_is_missing(redis: Redis, unique: UniqueNames) -> None:
    group = ConsumerGroup(redis, unique("group"), unique("consumer"))
    answers = [await group.create(), await group.create()]
    await redis.delete(STREAMS[3])
    answers.append(await group.create())

    assert answers == [True, False, True]


async def test_each_entry_goes_to_one_consumer(
    redis: Redis, consumers: list[ConsumerGroup]
) -> None:
    for number in range(3):
        await redis.xadd(STREAMS[0], {"number": number})
    first, second = consumers
    one = await first.read(count=2, block=0.01)
    two = await second.read(count=2, block=0.01)

    assert [entry.fields[b"number"] for entry in [*one, *two]] == [b"0", b"1", b"2"]
    assert await first.delivered(count=9) == one
    assert await first.read(count=9, block=0.001) == []


@pytest.mark.parametrize(
    "ask",
    [
        lambda group: group.read(count=1, block=0.01),
        lambda group: group.delivered(count=1),
        lambda group: group.claim(STREAMS[0], min_idle=0, count=1),
        lambda group: group.remove_stale(idle=0),
    ],
    ids=["read", "delivered", "claim", "remove_stale"],
)
async def test_a_redis_that_came_back_empty_is_told(
    redis: Redis, consumers: list[ConsumerGroup], ask: Callable[[ConsumerGroup], Awaitable[object]]
) -> None:
    await redis.flushall()

    with pytest.raises(GroupMissingError):
        await ask(consumers[0])


async def test_a_reader_that_is_blocked_hears_of_it(
    redis: Redis, consumers: list[ConsumerGroup]
) -> None:
    task = asyncio.create_task(consumers[0].read(count=1, block=30))

    async def is_blocked() -> bool:
        return bool((await redis.info("clients"))["blocked_clients"])

    await until(is_blocked)
    await redis.flushall()

    with pytest.raises(GroupMissingError):
        await task


async def test_a_stale_consumer_is_removed_when_it_holds_nothing(
    redis: Redis, unique: UniqueNames
) -> None:
    name, watcher = unique("group"), unique("watcher")
    holds, idle = unique("holds"), unique("idle")
    group = ConsumerGroup(redis, name, watcher)
    await group.create()
    await redis.xadd(STREAMS[0], {"a": "b"})
    await ConsumerGroup(redis, name, holds).read(count=1, block=0.01)
    await ConsumerGroup(redis, name, idle).read(count=1, block=0.001)
    await group.read(count=1, block=0.001)
    young = await group.remove_stale(idle=3_600)
    await group.remove_stale(idle=-1)
    rows = await redis.xinfo_consumers(STREAMS[0], name)

    assert young == 0
    assert {row["name"].decode() for row in rows} == {holds, watcher}


async def test_what_is_given_back_is_claimed_whatever_the_limit(
    redis: Redis, consumers: list[ConsumerGroup]
) -> None:
    first, second = consumers
    await redis.xadd(STREAMS[0], {"a": "b"})
    read = await first.read(count=1, block=0.01)
    before, _ = await second.claim(STREAMS[0], min_idle=60, count=9)
    returned = await first.give_back(idle=3_600)
    claimed, place = await second.claim(STREAMS[0], min_idle=60, count=9)

    assert (before, returned, claimed, place) == ([], 1, read, FIRST)
    assert await first.give_back(idle=3_600) == 0


async def test_what_is_old_is_found_behind_much_that_is_young(
    redis: Redis, consumers: list[ConsumerGroup]
) -> None:
    first, second = consumers
    # A look with a count of 1 passes ten entries.
    for number in range(30):
        await redis.xadd(STREAMS[0], {"number": number})
    *young, old = await first.read(count=30, block=0.01)
    await first.give_back(idle=3_600)
    await first.keep(young)
    found, place = await second.claim(STREAMS[0], min_idle=60, count=1)
    looks = 1
    while place != FIRST:
        entries, place = await second.claim(STREAMS[0], min_idle=60, count=1, start=place)
        found += entries
        looks += 1

    assert found == [old]
    assert looks > 1


async def test_giving_back_to_a_redis_that_came_back_empty_is_nothing(
    redis: Redis, consumers: list[ConsumerGroup]
) -> None:
    await redis.flushall()

    assert await consumers[0].give_back(idle=1) == 0
