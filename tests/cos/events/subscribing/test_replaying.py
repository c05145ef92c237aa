"""Dead letters that are handled again, by one process, out of order."""

import asyncio
import uuid
from dataclasses import replace

import pytest
from redis.asyncio import Redis
from sqlalchemy import func, text, update

from cos.events.event import stream_name
from cos.events.subscriber import Delivery, Unprocessable
from cos.models import DeadLetter
from testkit.core.naming import UniqueNames
from tests.cos.events.subscribers import (
    QUICK,
    Effect,
    Recorder,
    Sessions,
    effects_of,
    event,
    letters,
    publish,
    running,
    until,
    until_true,
)


class Poisoned:
    """Refuses the sequences that are bad."""

    def __init__(self, *bad: int) -> None:
        self.bad = set(bad)

    async def __call__(self, delivery: Delivery) -> None:
        if delivery.event.sequence in self.bad:
            raise Unprocessable("poison")


async def _mark(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        await session.execute(update(DeadLetter).values(replay_requested_at=func.now()))


async def test_a_marked_letter_is_handled_and_gone(
    sessions: Sessions, redis: Redis, unique: UniqueNames
) -> None:
    module, group, poison = uuid.uuid4(), unique("group"), Poisoned(1)
    subscriber = Recorder(sessions, redis, group, before=poison)
    async with running(subscriber):
        await publish(redis, [event(module, 1), event(module, 2)])
        await until_true(lambda: subscriber.facts.handled == 1)
        poison.bad.clear()
        await _mark(sessions)
        await until_true(lambda: subscriber.facts.replayed == 1)

    assert await letters(sessions, group) == []
    assert await effects_of(sessions, group) == [
        Effect(module, 2, attempt=1, replayed=False),
        Effect(module, 1, attempt=2, replayed=True),
    ]


async def test_a_replay_that_fails_keeps_the_letter_counts_and_takes_the_mark_away(
    sessions: Sessions, redis: Redis, unique: UniqueNames
) -> None:
    group, poison = unique("group"), Poisoned(1)
    subscriber = Recorder(sessions, redis, group, before=poison)

    async def is_tried_again() -> bool:
        return [letter.replays for letter in await letters(sessions, group)] == [1]

    async with running(subscriber):
        await publish(redis, [event(uuid.uuid4(), 1)])
        await until_true(lambda: subscriber.facts.dead == 1)
        await _mark(sessions)
        await until(is_tried_again)
    (letter,) = await letters(sessions, group)

    assert (letter.attempts, letter.replays, letter.replay_requested_at) == (1, 1, None)
    assert letter.first_failed_at < letter.last_failed_at
    assert await effects_of(sessions, group) == []


async def test_of_several_subscribers_one_replays_each_letter(
    sessions: Sessions, redis: Redis, unique: UniqueNames
) -> None:
    group, poison = unique("group"), Poisoned(1)
    several = [Recorder(sessions, redis, group, before=poison) for _ in range(3)]
    modules = {uuid.uuid4() for _ in range(6)}
    async with running(*several):
        await publish(redis, [event(module, 1) for module in modules])
        await until_true(lambda: sum(each.facts.dead for each in several) == 6)
        poison.bad.clear()
        await _mark(sessions)
        await until_true(lambda: sum(each.facts.replayed for each in several) == 6)
    done = await effects_of(sessions, group)

    assert (len(done), {effect.module_id for effect in done}) == (6, modules)
    assert all(effect.replayed for effect in done)


async def test_a_replay_does_not_run_beside_other_events_of_its_module(
    sessions: Sessions, redis: Redis, unique: UniqueNames
) -> None:
    module, group, poison = uuid.uuid4(), unique("group"), Poisoned(1)
    inside, let_go = asyncio.Event(), asyncio.Event()

    async def wait(delivery: Delivery) -> None:
        await poison(delivery)
        if delivery.event.sequence == 2:
            inside.set()
            await let_go.wait()

    async def somebody_waits() -> object:
        async with sessions.begin() as session:
            return await session.scalar(
                text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            )

    subscriber = Recorder(sessions, redis, group, before=wait)
    async with running(subscriber):
        await publish(redis, [event(module, 1), event(module, 2)])
        await inside.wait()
        poison.bad.clear()
        await _mark(sessions)
        await until(somebody_waits)
        meanwhile = subscriber.facts.handled
        let_go.set()
        await until_true(lambda: subscriber.facts.handled == 2)

    assert meanwhile == 0
    assert [effect.sequence for effect in await effects_of(sessions, group)] == [2, 1]


async def test_an_entry_that_is_no_event_stays_whatever_is_asked(
    sessions: Sessions, redis: Redis, unique: UniqueNames
) -> None:
    group = unique("group")
    subscriber = Recorder(sessions, redis, group)

    async def is_tried() -> bool:
        return [letter.replays for letter in await letters(sessions, group)] == [1]

    async with running(subscriber):
        await redis.xadd(stream_name(0), {"no": "event"})
        await until_true(lambda: subscriber.facts.malformed == 1)
        await _mark(sessions)
        await until(is_tried)

    assert "the field payload is missing" in (await letters(sessions, group))[0].reason


async def test_a_replay_that_takes_too_long_is_cut_off(
    sessions: Sessions, redis: Redis, unique: UniqueNames
) -> None:
    group = unique("group")

    async def hang_or_refuse(delivery: Delivery) -> None:
        if not delivery.replayed:
            raise Unprocessable("poison")
        await asyncio.Event().wait()

    async def is_tried() -> bool:
        return [letter.replays for letter in await letters(sessions, group)] == [1]

    subscriber = Recorder(
        sessions, redis, group, before=hang_or_refuse, settings=replace(QUICK, timeout=0.2)
    )
    async with running(subscriber):
        await publish(redis, [event(uuid.uuid4(), 1)])
        await until_true(lambda: subscriber.facts.dead == 1)
        await _mark(sessions)
        await until(is_tried)

    assert "no end within 0.2 s" in (await letters(sessions, group))[0].reason


@pytest.mark.parametrize("error", [ValueError("again"), Unprocessable("again")])
async def test_a_letter_of_a_rewound_group_is_written_once(
    sessions: Sessions, redis: Redis, unique: UniqueNames, error: Exception
) -> None:
    module, group = uuid.uuid4(), unique("group")

    async def fail(_delivery: Delivery) -> None:
        raise error

    subscriber = Recorder(
        sessions, redis, group, before=fail, settings=replace(QUICK, max_attempts=2)
    )
    made = event(module, 1)
    async with running(subscriber):
        await publish(redis, [made])
        await until_true(lambda: subscriber.facts.dead == 1)
        async with sessions.begin() as session:
            await session.execute(text("UPDATE subscriptions SET sequence = 0"))
        await publish(redis, [made])
        await until_true(lambda: subscriber.facts.dead == 2)

    assert len(await letters(sessions, group)) == 1
