"""What a running subscriber survives: lost servers, a stop at any time, consumers that died."""

import asyncio
import logging
import uuid
from dataclasses import replace
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import async_sessionmaker

from cos.db.engine import service_engine
from cos.db.redis_client import service_redis
from cos.events.event import partition_of, stream_name, to_fields
from cos.events.subscriber import Delivery, SubscriberSettings
from cos.events.subscribing.progress import begin_group
from cos.settings import Settings
from testkit.core.naming import UniqueNames
from tests.cos.events.subscribers import (
    QUICK,
    SECONDS,
    Recorder,
    Sessions,
    event,
    handled,
    pending,
    publish,
    running,
    store,
    until,
    until_true,
)

# Entries are claimed, and consumers removed, as soon as somebody looks.
EAGER = replace(QUICK, claim_every=0.02, min_idle=0.02, timeout=0.01, consumer_expiry=0.02)


async def _command(redis: Any, *words: object) -> Any:
    # redis-py carries no types for it.
    return await redis.execute_command(*words)


async def _consumers(redis: Any, stream: str, group: str) -> list[str]:
    return [row["name"].decode() for row in await redis.xinfo_consumers(stream, group)]


async def _idle(redis: Any, group: str, module_id: uuid.UUID) -> int:
    """Return for how many milliseconds the only pending entry of a module was not touched."""
    stream = stream_name(partition_of(module_id))
    (row,) = await redis.xpending_range(stream, group, "-", "+", 10)
    return int(row["time_since_delivered"])


async def _make_old(redis: Any, group: str, module_id: uuid.UUID) -> None:
    stream = stream_name(partition_of(module_id))
    (row,) = await redis.xpending_range(stream, group, "-", "+", 10)
    await redis.xclaim(
        stream, group, row["consumer"], 0, [row["message_id"]], idle=3_000_000, justid=True
    )


async def test_a_flushed_redis_loses_nothing(
    sessions: Sessions, redis: Redis, unique: UniqueNames, caplog: pytest.LogCaptureFixture
) -> None:
    module, new, group = uuid.uuid4(), uuid.uuid4(), unique("group")
    subscriber = Recorder(sessions, redis, group)
    async with running(subscriber):
        events = await store(sessions, module, 1, 2)
        await publish(redis, events)
        await until_true(lambda: subscriber.facts.handled == 2)
        # Committed, and lost with everything that Redis had.
        await store(sessions, module, 3)
        await store(sessions, new, 1)
        await redis.flushall()
        await until_true(lambda: subscriber.facts.handled == 4)
        await publish(redis, events)
        await publish(redis, await store(sessions, module, 4))
        await until_true(lambda: subscriber.facts.handled == 5)

    assert await handled(sessions, group, module) == [1, 2, 3, 4]
    assert await handled(sessions, group, new) == [1]
    assert "Redis came back empty; the group is made again" in caplog.text


async def test_killed_connections_are_replaced(
    sessions: Sessions, redis: Redis, unique: UniqueNames
) -> None:
    module, group = uuid.uuid4(), unique("group")
    subscriber = Recorder(sessions, redis, group)
    async with running(subscriber):
        for sequence in (1, 2, 3):
            await _command(redis, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            await publish(redis, await store(sessions, module, sequence))
            await until_true(lambda: subscriber.facts.handled == sequence)  # noqa: B023 - awaited

    assert await handled(sessions, group, module) == [1, 2, 3]


async def test_an_answer_that_was_lost_on_its_way_is_asked_for_again(
    sessions: Sessions, redis: Redis, unique: UniqueNames
) -> None:
    module, group = uuid.uuid4(), unique("group")
    stream = stream_name(partition_of(module))
    looking = replace(QUICK, claim_every=0.02, min_idle=3_600)
    subscriber = Recorder(sessions, redis, group, settings=looking)
    async with running(subscriber):
        (consumer,) = await _consumers(redis, stream, group)
        # Given to it, and it never hears of it: no row of the table and no claim brings it.
        async with redis.pipeline() as together:
            together.xadd(stream, dict(to_fields(event(module, 1))))  # type: ignore[arg-type]  # invariant
            together.xreadgroup(group, consumer, {stream: ">"})
            await together.execute()
        await until_true(lambda: subscriber.facts.handled == 1)

    assert await handled(sessions, group, module) == [1]


async def test_a_redis_that_pauses_longer_than_it_is_waited_for_is_found_again(
    sessions: Sessions, redis: Redis, settings: Settings, unique: UniqueNames
) -> None:
    module, group = uuid.uuid4(), unique("group")
    hasty = service_redis(settings.model_copy(update={"redis_timeout": 0.05}))
    subscriber = Recorder(sessions, hasty, group, settings=replace(QUICK, block=0.02))
    async with running(subscriber):
        await publish(redis, await store(sessions, module, 1))
        await until_true(lambda: subscriber.facts.handled == 1)
        # Reading as one of a group is writing to Redis.
        await _command(redis, "CLIENT", "PAUSE", 60_000, "WRITE")
        await until_true(lambda: not subscriber.ready.is_set())
        await _command(redis, "CLIENT", "UNPAUSE")
        await publish(redis, await store(sessions, module, 2))
        await until_true(lambda: subscriber.facts.handled == 2)
        await until_true(subscriber.ready.is_set)
    await hasty.aclose()

    assert await handled(sessions, group, module) == [1, 2]


async def test_a_redis_that_is_down_is_waited_for_with_pauses(
    sessions: Sessions,
    settings: Settings,
    closed_port: int,
    unique: UniqueNames,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "cos.events.subscribing.subscriber_run")
    address = f"redis://:hunter2@127.0.0.1:{closed_port}/0"
    nowhere = service_redis(Settings.model_validate({"redis_url": address}))
    subscriber = Recorder(sessions, nowhere, unique("group"))
    async with running(subscriber, ready=False):
        await until_true(lambda: len(caplog.records) >= 4)
    await nowhere.aclose()
    told = [line for line in caplog.records if line.levelno >= logging.WARNING]

    # Once for each thing that needs it, however long it takes.
    assert 1 <= len(told) <= 2
    assert "hunter2" not in caplog.text


async def test_without_redis_events_are_late_and_come_nevertheless(
    sessions: Sessions, settings: Settings, closed_port: int, unique: UniqueNames
) -> None:
    module, group = uuid.uuid4(), unique("group")
    address = f"redis://127.0.0.1:{closed_port}/0"
    nowhere = service_redis(Settings.model_validate({"redis_url": address}))
    subscriber = Recorder(sessions, nowhere, group, settings=replace(QUICK, reconcile_every=0.05))
    async with sessions.begin() as session:
        await begin_group(session, group, start="now")
    async with running(subscriber, ready=False):
        await store(sessions, module, 1, 2)
        await until_true(lambda: subscriber.facts.handled == 2)
    await nowhere.aclose()

    assert await handled(sessions, group, module) == [1, 2]


async def test_events_wait_for_a_lost_postgres_and_no_attempt_is_counted(
    sessions: Sessions, redis: Redis, settings: Settings, unique: UniqueNames
) -> None:
    module, group = uuid.uuid4(), unique("group")
    engine = service_engine(settings)
    subscriber = Recorder(
        async_sessionmaker(engine), redis, group, settings=replace(QUICK, max_attempts=1)
    )
    terminate = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    async with running(subscriber):
        for sequence in (1, 2, 3, 4):
            await publish(redis, await store(sessions, module, sequence))
            async with sessions.begin() as session:
                await session.execute(terminate)
            await until_true(lambda: subscriber.facts.handled == sequence)  # noqa: B023 - awaited
    await engine.dispose()

    assert await handled(sessions, group, module) == [1, 2, 3, 4]
    assert (subscriber.facts.retried, subscriber.facts.dead) == (0, 0)


async def test_a_schema_that_is_not_there_yet_is_waited_for(
    sessions: Sessions, redis: Redis, unique: UniqueNames, caplog: pytest.LogCaptureFixture
) -> None:
    group = unique("group")
    subscriber = Recorder(sessions, redis, group)
    async with sessions.begin() as session:
        await session.execute(text("ALTER TABLE subscription_groups RENAME TO elsewhere"))
    async with running(subscriber, ready=False):
        await until_true(lambda: "cannot reach the streams" in caplog.text)
        async with sessions.begin() as session:
            await session.execute(text("ALTER TABLE elsewhere RENAME TO subscription_groups"))
        await until_true(subscriber.ready.is_set)

    assert "UndefinedTable" in caplog.text


async def test_a_stop_waits_for_what_is_being_handled_and_begins_nothing_new(
    sessions: Sessions, redis: Redis, unique: UniqueNames
) -> None:
    module, group = uuid.uuid4(), unique("group")
    inside, let_go = asyncio.Event(), asyncio.Event()

    async def wait(_delivery: Delivery) -> None:
        inside.set()
        await let_go.wait()

    subscriber = Recorder(sessions, redis, group, before=wait)
    stop = asyncio.Event()
    task = asyncio.create_task(subscriber.run(stop))
    await subscriber.ready.wait()
    await publish(redis, await store(sessions, module, 1, 2, 3))
    await inside.wait()
    await until_true(lambda: subscriber.facts.held == 3)
    stop.set()
    await until_true(lambda: not subscriber.ready.is_set())
    let_go.set()
    async with asyncio.timeout(SECONDS):
        await task

    assert await handled(sessions, group, module) == [1]
    assert (subscriber.facts.held, subscriber.facts.in_flight) == (0, 0)
    assert await pending(redis, group) == 2


async def test_what_a_stopped_one_gives_back_is_taken_at_once(
    sessions: Sessions, redis: Redis, unique: UniqueNames
) -> None:
    module, group = uuid.uuid4(), unique("group")
    inside = asyncio.Event()

    async def hang(_delivery: Delivery) -> None:
        inside.set()
        await asyncio.Event().wait()

    patient = replace(QUICK, grace=0.0, min_idle=3_600.0, claim_every=0.02)
    first = Recorder(sessions, redis, group, before=hang, settings=patient)
    async with running(first):
        # No row of the table: nothing but the streams brings these.
        await publish(redis, [event(module, 1), event(module, 2)])
        await inside.wait()
        await until_true(lambda: first.facts.held == 2)
    left = await pending(redis, group)
    second = Recorder(sessions, redis, group, settings=patient)
    async with running(second):
        await until_true(lambda: second.facts.handled == 2)

        async def nothing_is_pending() -> bool:
            return await pending(redis, group) == 0

        await until(nothing_is_pending)

    assert left == 2
    assert await handled(sessions, group, module) == [1, 2]


async def test_a_cancelled_run_gives_back_too_and_leaves_no_task(
    sessions: Sessions, redis: Redis, unique: UniqueNames
) -> None:
    module, group = uuid.uuid4(), unique("group")
    inside = asyncio.Event()

    async def hang(_delivery: Delivery) -> None:
        inside.set()
        await asyncio.Event().wait()

    subscriber = Recorder(sessions, redis, group, before=hang)
    task = asyncio.create_task(subscriber.run(asyncio.Event()))
    await subscriber.ready.wait()
    await publish(redis, [event(module, 1)])
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await _idle(redis, group, module) > 3_600_000
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_stop_ends_pauses_and_back_off(
    sessions: Sessions, redis: Redis, unique: UniqueNames
) -> None:
    group = unique("group")

    async def fail(_delivery: Delivery) -> None:
        raise ValueError

    slow = replace(
        QUICK, retry_base=3_600.0, retry_cap=3_600.0, pause=3_600.0, replay_every=3_600.0
    )
    subscriber = Recorder(sessions, redis, group, before=fail, settings=slow)
    async with running(subscriber):
        await publish(redis, [event(uuid.uuid4(), 1)])
        await until_true(lambda: subscriber.facts.retried == 1)

    assert subscriber.facts.in_flight == 0


async def test_entries_of_a_consumer_that_died_are_claimed_and_it_is_removed(
    sessions: Sessions, redis: Redis, unique: UniqueNames
) -> None:
    module, group, dead = uuid.uuid4(), unique("group"), unique("dead")
    async with running(Recorder(sessions, redis, group)):
        pass
    stream = stream_name(partition_of(module))
    await publish(redis, [event(module, 1)])
    await redis.xreadgroup(group, dead, {stream: ">"})
    subscriber = Recorder(sessions, redis, group, settings=EAGER)
    async with running(subscriber):
        await until_true(lambda: subscriber.facts.handled == 1)

        async def is_removed() -> bool:
            names = [row["name"] for row in await redis.xinfo_consumers(stream, group)]
            return dead.encode() not in names

        await until(is_removed)

    assert await handled(sessions, group, module) == [1]


async def test_what_is_held_is_claimed_by_nobody_else(
    sessions: Sessions, redis: Redis, unique: UniqueNames
) -> None:
    module, group = uuid.uuid4(), unique("group")
    inside, let_go = asyncio.Event(), asyncio.Event()

    async def wait(_delivery: Delivery) -> None:
        inside.set()
        await let_go.wait()

    settings = SubscriberSettings(
        block=0.05, claim_every=0.01, min_idle=3_600, timeout=30, reconcile_every=3_600
    )
    first = Recorder(sessions, redis, group, before=wait, settings=settings)
    async with running(first):
        await publish(redis, [event(module, 1)])
        await inside.wait()
        # As if it had been held for long: the next look makes it young again.
        await _make_old(redis, group, module)

        async def is_young() -> bool:
            return await _idle(redis, group, module) < 1_000_000

        await until(is_young)
        let_go.set()
        await until_true(lambda: first.facts.handled == 1)

    assert await handled(sessions, group, module) == [1]


async def test_a_subscriber_can_run_again(
    sessions: Sessions, redis: Redis, unique: UniqueNames
) -> None:
    module, group = uuid.uuid4(), unique("group")
    subscriber = Recorder(sessions, redis, group)
    for sequence in (1, 2):
        async with running(subscriber):
            await publish(redis, await store(sessions, module, sequence))
            await until_true(lambda: subscriber.facts.handled == sequence)  # noqa: B023 - awaited

    assert await handled(sessions, group, module) == [1, 2]


@pytest.mark.parametrize("length", [0, 65])
async def test_a_name_that_the_tables_cannot_hold_is_refused(
    sessions: Sessions, redis: Redis, length: int
) -> None:
    subscriber = Recorder(sessions, redis, "x" * length)

    with pytest.raises(ValueError, match=f"1 to 64 characters, not {length}"):
        await subscriber.run(asyncio.Event())
