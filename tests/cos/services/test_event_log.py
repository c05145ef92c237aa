import asyncio
import uuid
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from redis.asyncio import Redis
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cos.models import OutboxEvent, Subscription, SubscriptionGroup
from cos.services import event_log
from cos.services.errors import UnknownGroupError
from cos.services.event_log import Selection
from cos.settings import Settings
from testkit.core.naming import UniqueNames
from tests.cos.events.subscribers import (
    Recorder,
    Sessions,
    handled,
    publish,
    running,
    store,
    until_true,
)


async def _published(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        await session.execute(update(OutboxEvent).values(published_at=func.now(), stream_id="1-1"))


async def test_pages_go_either_way(sessions: Sessions, async_db_session: AsyncSession) -> None:
    module = uuid.uuid4()
    await store(sessions, module, 1, 2, 3)
    await store(sessions, uuid.uuid4(), 1)
    selection = Selection(module_id=module)
    newest = await event_log.page(async_db_session, selection, limit=2)
    rest = await event_log.page(async_db_session, selection, limit=2, after=newest.next)
    oldest = await event_log.page(async_db_session, selection, limit=2, oldest_first=True)
    last = await event_log.page(
        async_db_session, selection, limit=2, after=oldest.next, oldest_first=True
    )

    assert [[row.sequence for row in page.events] for page in (newest, rest, oldest, last)] == [
        [3, 2],
        [1],
        [1, 2],
        [3],
    ]
    assert (rest.next, last.next) == (None, None)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, 3),
        ({"type": "health.changed"}, 3),
        ({"type": "module.removed"}, 0),
        ({"sequence": 2}, 2),
    ],
)
async def test_events_are_selected(
    sessions: Sessions, async_db_session: AsyncSession, given: dict[str, Any], expected: int
) -> None:
    await store(sessions, uuid.uuid4(), 1, 2, 3)

    assert await event_log.count(async_db_session, Selection(**given)) == expected


async def test_events_are_selected_by_time(
    sessions: Sessions, async_db_session: AsyncSession
) -> None:
    module = uuid.uuid4()
    await store(sessions, module, 1)
    (second,) = await store(sessions, module, 2)
    counts = [
        await event_log.count(async_db_session, Selection(since=second.occurred_at + later))
        for later in (timedelta(), timedelta(microseconds=1))
    ]

    assert counts == [1, 0]


async def test_what_is_republished_is_unpublished_and_the_relay_is_woken(
    sessions: Sessions, settings: Settings
) -> None:
    module, other = uuid.uuid4(), uuid.uuid4()
    await store(sessions, module, 1, 2, 3, 4, 5)
    await store(sessions, other, 1)
    await _published(sessions)
    await store(sessions, module, 6)
    address = settings.sqlalchemy_url.set(drivername="postgresql")
    with psycopg.connect(
        address.render_as_string(hide_password=False), autocommit=True
    ) as listener:
        listener.execute("LISTEN cos_events")
        async with sessions.begin() as session:
            done = await event_log.republish(session, Selection(module_id=module), batch=2)
        heard = await asyncio.to_thread(lambda: list(listener.notifies(timeout=5, stop_after=1)))
    async with sessions.begin() as session:
        left = await session.scalars(
            select(OutboxEvent.module_id).where(OutboxEvent.published_at.is_not(None))
        )

    assert (done, len(heard), left.all()) == (5, 1, [other])


async def test_a_rewound_group_handles_again_what_is_selected_and_what_follows(
    sessions: Sessions, redis: Redis, unique: UniqueNames
) -> None:
    module, other, group = uuid.uuid4(), uuid.uuid4(), unique("group")
    subscriber = Recorder(sessions, redis, group)
    async with running(subscriber):
        first, second, third = await store(sessions, module, 1, 2, 3)
        await publish(redis, [first, second, third])
        await publish(redis, await store(sessions, other, 1))
        await until_true(lambda: subscriber.facts.handled == 4)
        selection = Selection(module_id=module, sequence=2)
        async with sessions.begin() as session:
            expected = await event_log.count_done(session, group, selection)
            modules = await event_log.rewind(session, group, selection)
        await until_true(lambda: subscriber.facts.handled == 6)

    assert (expected, modules) == (2, 1)
    assert await handled(sessions, group, module) == [1, 2, 3, 2, 3]
    assert await handled(sessions, group, other) == [1]


@pytest.fixture
async def progressed(sessions: Sessions, unique: UniqueNames) -> str:
    """A group that has handled 2 of 3 events of a module, after 4 attempts at the second."""
    group, module = unique("group"), uuid.uuid4()
    await store(sessions, module, 1, 2, 3)
    async with sessions.begin() as session:
        session.add(SubscriptionGroup(name=group))
        await session.flush()
        session.add(
            Subscription(
                group_name=group, module_id=module, sequence=2, failed_sequence=2, attempts=4
            )
        )
    return group


async def _progress(sessions: Sessions) -> tuple[int, int | None, int]:
    async with sessions.begin() as session:
        row = (await session.scalars(select(Subscription))).one()
        return row.sequence, row.failed_sequence, row.attempts


async def test_a_rewind_never_goes_forward(sessions: Sessions, progressed: str) -> None:
    async with sessions.begin() as session:
        modules = await event_log.rewind(session, progressed, Selection(sequence=3))

    assert (modules, await _progress(sessions)) == (0, (2, 2, 4))


async def test_a_rewind_forgets_failed_attempts(sessions: Sessions, progressed: str) -> None:
    async with sessions.begin() as session:
        modules = await event_log.rewind(session, progressed, Selection())
        rewinds = await session.scalar(select(SubscriptionGroup.rewinds))

    assert (modules, rewinds, await _progress(sessions)) == (1, 1, (0, None, 0))


async def test_a_rewind_by_time_goes_to_the_first_event_of_that_time(
    sessions: Sessions, progressed: str
) -> None:
    async with sessions.begin() as session:
        moments: list[datetime] = []
        for sequence in (1, 2, 3):
            moment = datetime.fromisoformat(f"2030-01-0{sequence}T12:00:00+00:00")
            moments.append(moment)
            await session.execute(
                update(OutboxEvent)
                .where(OutboxEvent.sequence == sequence)
                .values(occurred_at=moment)
            )
        expected = await event_log.count_done(session, progressed, Selection(since=moments[1]))
        await event_log.rewind(session, progressed, Selection(since=moments[1]))

    assert (expected, (await _progress(sessions))[0]) == (1, 1)


async def test_rewinds_at_once_follow_one_another(sessions: Sessions, progressed: str) -> None:
    async def rewind() -> int:
        async with sessions.begin() as session:
            return await event_log.rewind(session, progressed, Selection(sequence=1))

    counts = await asyncio.gather(*(rewind() for _ in range(5)))

    assert sorted(counts) == [0, 0, 0, 0, 1]


async def test_an_unknown_group_is_told_with_those_there_are(
    sessions: Sessions, progressed: str, unique: UniqueNames
) -> None:
    name = unique("unknown")
    for ask in (event_log.rewind, event_log.count_done):
        with pytest.raises(UnknownGroupError, match=f"There are: {progressed}."):
            async with sessions.begin() as session:
                await ask(session, name, Selection())

    assert name not in progressed
