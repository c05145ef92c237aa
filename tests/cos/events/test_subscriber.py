"""Subscribers on a real Postgres and a real Redis: order, exactly once, gaps, duplicates, groups."""

import asyncio
import uuid
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import delete, select, update

from cos.events.event import partition_of, stream_name
from cos.events.subscriber import Delivery, SubscriberSettings
from cos.models import OutboxEvent, Subscription, SubscriptionGroup
from testkit.core.naming import UniqueNames
from tests.cos.events.subscribers import (
    Recorder,
    Sessions,
    effects_of,
    event,
    handled,
    letters,
    pending,
    publish,
    running,
    store,
    until,
    until_true,
)


async def _progress(sessions: Sessions, group: str, module_id: uuid.UUID) -> int | None:
    async with sessions.begin() as session:
        return await session.scalar(
            select(Subscription.sequence).where(
                Subscription.group_name == group, Subscription.module_id == module_id
            )
        )


async def test_events_are_handled_once_in_order_and_acknowledged(
    sessions: Sessions, redis: Redis, unique: UniqueNames
) -> None:
    module, group = uuid.uuid4(), unique("group")
    subscriber = Recorder(sessions, redis, group)
    async with running(subscriber):
        await publish(redis, await store(sessions, module, 1, 2, 3))
        await until_true(lambda: subscriber.facts.handled == 3)

    assert await handled(sessions, group, module) == [1, 2, 3]
    assert (await pending(redis, group), await _progress(sessions, group, module)) == (0, 3)


async def test_duplicates_are_dropped_and_acknowledged(
    sessions: Sessions, redis: Redis, unique: UniqueNames
) -> None:
    module, group = uuid.uuid4(), unique("group")
    subscriber = Recorder(sessions, redis, group)
    async with running(subscriber):
        events = await store(sessions, module, 1, 2)
        await publish(redis, [*events, *events, events[0]])
        await until_true(lambda: subscriber.facts.dropped == 3)

    assert await handled(sessions, group, module) == [1, 2]
    assert await pending(redis, group) == 0


async def test_a_gap_is_filled_from_the_table_before_the_event_itself(
    sessions: Sessions, redis: Redis, unique: UniqueNames
) -> None:
    module, group = uuid.uuid4(), unique("group")
    subscriber = Recorder(sessions, redis, group)
    async with running(subscriber):
        events = await store(sessions, module, *range(1, 24))
        await publish(redis, [events[0], events[-1]])
        await until_true(lambda: subscriber.facts.handled == 23)

    assert await handled(sessions, group, module) == list(range(1, 24))
    assert (subscriber.facts.gaps, subscriber.facts.passed_over) == (21, 0)


async def test_what_retention_removed_is_passed_over_and_said_once(
    sessions: Sessions, redis: Redis, unique: UniqueNames, caplog: pytest.LogCaptureFixture
) -> None:
    module, group = uuid.uuid4(), unique("group")
    subscriber = Recorder(sessions, redis, group)
    async with running(subscriber):
        events = await store(sessions, module, 1, 2, 3, 4, 5, 6)
        async with sessions.begin() as session:
            await session.execute(delete(OutboxEvent).where(OutboxEvent.sequence.in_([2, 3, 5])))
        await publish(redis, [events[0], events[5]])
        await until_true(lambda: subscriber.facts.handled == 3)

    assert await handled(sessions, group, module) == [1, 4, 6]
    assert subscriber.facts.passed_over == 3
    assert [line for line in caplog.messages if "not retained" in line] == [
        f"{group}: events {first} to {last} of {module} are not retained any more and were passed"
        " over"
        for first, last in [(2, 3), (5, 5)]
    ]


async def test_a_module_without_anything_retained_begins_with_the_first_event_that_comes(
    sessions: Sessions, redis: Redis, unique: UniqueNames
) -> None:
    module, group = uuid.uuid4(), unique("group")
    subscriber = Recorder(sessions, redis, group)
    async with running(subscriber):
        await publish(redis, [event(module, 7), event(module, 8)])
        await until_true(lambda: subscriber.facts.handled == 2)

    assert await handled(sessions, group, module) == [7, 8]
    assert subscriber.facts.passed_over == 0


async def test_a_group_begins_with_what_is_committed_after_its_first_start(
    sessions: Sessions, redis: Redis, unique: UniqueNames
) -> None:
    old, new, group = uuid.uuid4(), uuid.uuid4(), unique("group")
    before = await store(sessions, old, 1, 2)
    subscriber = Recorder(sessions, redis, group)
    async with running(subscriber):
        # Published again, as the relay does when Redis came back empty: still old.
        await publish(redis, before)
        await publish(redis, await store(sessions, old, 3))
        await store(sessions, new, 1)
        await publish(redis, await store(sessions, new, 2))
        await until_true(lambda: subscriber.facts.handled == 3)

    assert await handled(sessions, group, old) == [3]
    assert await handled(sessions, group, new) == [1, 2]


async def test_a_group_may_begin_with_everything_that_is_retained(
    sessions: Sessions, redis: Redis, unique: UniqueNames
) -> None:
    modules, group = [uuid.uuid4() for _ in range(3)], unique("group")
    for module in modules:
        await store(sessions, module, 4, 5)
    subscriber = Recorder(sessions, redis, group)
    subscriber.start = "beginning"  # type: ignore[misc]  # of this one
    async with running(subscriber):
        await until_true(lambda: subscriber.facts.handled == 6)

    assert [await handled(sessions, group, module) for module in modules] == [[4, 5]] * 3
    assert (subscriber.facts.lag, subscriber.facts.passed_over) == (15, 0)


async def test_what_was_committed_between_two_runs_is_handled_without_any_stream(
    sessions: Sessions, redis: Redis, unique: UniqueNames
) -> None:
    known, new, group = uuid.uuid4(), uuid.uuid4(), unique("group")
    async with running(Recorder(sessions, redis, group)):
        await store(sessions, known, 1)
    await store(sessions, known, 2)
    await store(sessions, new, 1)
    second = Recorder(sessions, redis, group)
    async with running(second):
        await until_true(lambda: second.facts.handled == 3)

    assert await handled(sessions, group, known) == [1, 2]
    assert await handled(sessions, group, new) == [1]


async def test_reconciling_finds_what_no_stream_brought(
    sessions: Sessions, redis: Redis, unique: UniqueNames
) -> None:
    module, group = uuid.uuid4(), unique("group")
    subscriber = Recorder(sessions, redis, group)
    async with running(subscriber):
        await store(sessions, module, 1, 2)
        subscriber.reconcile()
        await until_true(lambda: subscriber.facts.handled == 2)

    assert await handled(sessions, group, module) == [1, 2]


async def test_two_groups_each_handle_every_event(
    sessions: Sessions, redis: Redis, unique: UniqueNames
) -> None:
    module, groups = uuid.uuid4(), [unique("group"), unique("group")]
    first, second = (Recorder(sessions, redis, group) for group in groups)
    async with running(first, second):
        await publish(redis, await store(sessions, module, 1, 2))
        await until_true(lambda: first.facts.handled + second.facts.handled == 4)

    assert [await handled(sessions, group, module) for group in groups] == [[1, 2], [1, 2]]


async def test_modules_run_side_by_side_up_to_the_limit(
    sessions: Sessions, redis: Redis, unique: UniqueNames
) -> None:
    modules, group = [uuid.uuid4() for _ in range(6)], unique("group")
    entered, most, let_go = 0, 0, asyncio.Event()

    async def wait(_delivery: Delivery) -> None:
        nonlocal entered, most
        entered += 1
        most = max(most, entered)
        await let_go.wait()
        entered -= 1

    subscriber = Recorder(sessions, redis, group, before=wait)
    async with running(subscriber):
        await publish(redis, [event(module, n) for module in modules for n in (1, 2)])
        await until_true(lambda: subscriber.facts.held == 12)
        await until_true(lambda: entered == subscriber.settings.concurrency)
        let_go.set()
        await until_true(lambda: subscriber.facts.handled == 12)

    assert most == subscriber.settings.concurrency == subscriber.default_settings.concurrency
    assert {effect.module_id for effect in await effects_of(sessions, group)} == set(modules)


async def test_several_subscribers_of_one_group_share_the_events_of_one_module_in_order(
    sessions: Sessions, redis: Redis, unique: UniqueNames
) -> None:
    module, group = uuid.uuid4(), unique("group")
    inside: list[int] = []

    async def alone(delivery: Delivery) -> None:
        inside.append(1)
        assert len(inside) == 1
        await delivery.session.execute(select(1))
        inside.pop()

    several = [Recorder(sessions, redis, group, before=alone) for _ in range(3)]
    async with running(*several):
        await publish(redis, await store(sessions, module, *range(1, 10)))
        await until_true(lambda: sum(each.facts.handled for each in several) == 9)

    assert await handled(sessions, group, module) == list(range(1, 10))
    assert sum(each.facts.retried for each in several) == 0


async def test_no_more_entries_are_read_than_can_be_held(
    sessions: Sessions, redis: Redis, unique: UniqueNames
) -> None:
    module, group = uuid.uuid4(), unique("group")
    let_go = asyncio.Event()

    async def wait(_delivery: Delivery) -> None:
        await let_go.wait()

    settings = SubscriberSettings(capacity=8, depth=100, block=0.05)
    subscriber = Recorder(sessions, redis, group, before=wait, settings=settings)
    async with running(subscriber):
        await publish(redis, [event(module, n) for n in range(1, 13)])
        await until_true(lambda: subscriber.facts.held > 0)
        given, most = await pending(redis, group), subscriber.facts.held
        let_go.set()
        await until_true(lambda: subscriber.facts.handled == 12)

    assert given <= 8
    assert most <= 8
    assert await handled(sessions, group, module) == list(range(1, 13))


async def test_modules_that_wait_for_their_next_attempt_keep_nobody_from_anything(
    sessions: Sessions, redis: Redis, unique: UniqueNames
) -> None:
    good, group = uuid.uuid4(), unique("group")

    async def fail(delivery: Delivery) -> None:
        if delivery.event.module_id != good:
            raise ValueError

    settings = SubscriberSettings(capacity=8, retry_base=3_600, retry_cap=3_600, block=0.05)
    subscriber = Recorder(sessions, redis, group, before=fail, settings=settings)
    async with running(subscriber):
        await publish(redis, [event(uuid.uuid4(), 1) for _ in range(12)])
        await until_true(lambda: subscriber.facts.retried == 12)
        await publish(redis, [event(good, 1)])
        await until_true(lambda: subscriber.facts.handled == 1)

    assert await handled(sessions, group, good) == [1]


async def test_what_one_module_has_too_much_of_is_left_to_the_table(
    sessions: Sessions, redis: Redis, unique: UniqueNames
) -> None:
    module, other, group = uuid.uuid4(), uuid.uuid4(), unique("group")
    let_go = asyncio.Event()

    async def wait(delivery: Delivery) -> None:
        if delivery.event.module_id == module:
            await let_go.wait()

    settings = SubscriberSettings(depth=2, block=0.05, claim_every=3_600)
    subscriber = Recorder(sessions, redis, group, before=wait, settings=settings)

    async def all_but_the_others_are_pending() -> bool:
        return subscriber.facts.handled == 1 and await pending(redis, group) == 10

    async with running(subscriber):
        await publish(redis, await store(sessions, module, *range(1, 11)))
        await publish(redis, await store(sessions, other, 1))
        await until(all_but_the_others_are_pending)
        # That of the other module is held until it is acknowledged.
        await until_true(lambda: (subscriber.facts.handled, subscriber.facts.held) == (1, 2))
        let_go.set()
        await until_true(lambda: subscriber.facts.handled == 11)

    assert await handled(sessions, group, module) == list(range(1, 11))


async def test_an_entry_that_is_no_event_goes_to_the_dead_letters(
    sessions: Sessions, redis: Redis, unique: UniqueNames
) -> None:
    module, group = uuid.uuid4(), unique("group")
    subscriber = Recorder(sessions, redis, group)
    async with running(subscriber):
        entry: Any = await redis.xadd(stream_name(0), {b"id": b"\xff\x00", "payload": "x" * 9_000})
        await publish(redis, [event(module, 1)])
        await until_true(lambda: subscriber.facts.malformed + subscriber.facts.handled == 2)
    (letter,) = await letters(sessions, group)

    assert (letter.entry, letter.event_id) == (f"{stream_name(0)}/{entry.decode()}", None)
    assert letter.fields["id"] == "\\xff\\x00"
    assert len(letter.fields["payload"]) == 4_000
    assert letter.reason.startswith(
        "cos.events.event.MalformedEventError: a field is no UTF-8 (entry.py:"
    )
    assert await pending(redis, group) == 0


async def test_an_entry_that_was_trimmed_meanwhile_is_no_dead_letter(
    sessions: Sessions, redis: Redis, unique: UniqueNames
) -> None:
    module, group = uuid.uuid4(), unique("group")
    async with running(Recorder(sessions, redis, group)):
        pass
    (made,) = await store(sessions, module, 1)
    await publish(redis, [made])
    stream = stream_name(partition_of(module))
    await redis.xreadgroup(group, unique("dead"), {stream: ">"})
    await redis.xtrim(stream, maxlen=0)
    settings = SubscriberSettings(min_idle=0.02, timeout=0.01, block=0.05)
    subscriber = Recorder(sessions, redis, group, settings=settings)
    async with running(subscriber):
        await until_true(lambda: subscriber.facts.handled == 1)

        async def is_gone() -> bool:
            return await pending(redis, group) == 0

        await until(is_gone)

    assert await letters(sessions, group) == []


async def test_a_rewound_group_handles_again(
    sessions: Sessions, redis: Redis, unique: UniqueNames
) -> None:
    module, group = uuid.uuid4(), unique("group")
    subscriber = Recorder(sessions, redis, group)
    async with running(subscriber):
        await publish(redis, await store(sessions, module, 1, 2, 3))
        await until_true(lambda: subscriber.facts.handled == 3)
        async with sessions.begin() as session:
            await session.execute(update(Subscription).values(sequence=1))
            await session.execute(
                update(SubscriptionGroup).values(rewinds=SubscriptionGroup.rewinds + 1)
            )
        await until_true(lambda: subscriber.facts.handled == 5)

    assert await handled(sessions, group, module) == [1, 2, 3, 2, 3]
