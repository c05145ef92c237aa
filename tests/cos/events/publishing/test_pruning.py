import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cos.db.engine import service_engine
from cos.events.publishing.pruning import Pruning
from cos.models import OutboxEvent
from cos.settings import Settings
from testkit.isolation.database import Database
from tests.cos.events.relays import eventually, write

WEEK = 7 * 86_400.0


@pytest.fixture
async def sessions(settings: Settings) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    engine = service_engine(settings)
    yield async_sessionmaker(engine)
    await engine.dispose()


async def _published(session: AsyncSession, *ages: float | None) -> None:
    """Commit events that were published so many seconds ago, numbered from 1; None is never."""
    await write(session, uuid4(), len(ages))
    for sequence, age in enumerate(ages, 1):
        if age is not None:
            moment = func.now() - func.make_interval(0, 0, 0, 0, 0, 0, age)
            await session.execute(
                update(OutboxEvent)
                .where(OutboxEvent.sequence == sequence)
                .values(published_at=moment, stream_id=f"1-{sequence}")
            )
    await session.commit()


async def _left(session: AsyncSession) -> list[int]:
    left = list(await session.scalars(select(OutboxEvent.sequence).order_by(OutboxEvent.position)))
    await session.rollback()
    return left


async def test_what_was_published_long_ago_is_removed_and_nothing_else(
    sessions: async_sessionmaker[AsyncSession], async_db_session: AsyncSession
) -> None:
    await _published(async_db_session, WEEK + 60, WEEK - 60, 0, None, WEEK + 3_600)
    removed = await Pruning(sessions, retention=WEEK).prune()

    assert removed == 2
    assert await _left(async_db_session) == [2, 3, 4]


async def test_the_oldest_go_first_in_batches(
    sessions: async_sessionmaker[AsyncSession], async_db_session: AsyncSession
) -> None:
    await _published(async_db_session, 300, 500, 400, 200)
    pruning = Pruning(sessions, retention=100, batch=3)

    assert await pruning.prune() == 3
    assert await _left(async_db_session) == [4]
    assert await pruning.prune() == 1
    assert await pruning.prune() == 0


async def test_a_row_that_somebody_holds_is_passed_over(
    sessions: async_sessionmaker[AsyncSession], database: Database, async_db_session: AsyncSession
) -> None:
    await _published(async_db_session, 300, 300)
    async with database.async_session() as holder:
        await holder.execute(text("SELECT FROM events WHERE sequence = 1 FOR UPDATE"))
        removed = await Pruning(sessions, retention=100).prune()
        await holder.rollback()

    assert removed == 1
    assert await _left(async_db_session) == [1]


async def test_two_at_once_remove_everything_once(
    sessions: async_sessionmaker[AsyncSession], async_db_session: AsyncSession
) -> None:
    await _published(async_db_session, *[300] * 40)
    pruning = Pruning(sessions, retention=100, batch=10)
    removed = 0
    while await _left(async_db_session):
        removed += sum(await asyncio.gather(pruning.prune(), pruning.prune()))

    assert removed == 40


async def test_at_work_it_goes_on_until_all_is_removed_and_stops_when_asked(
    sessions: async_sessionmaker[AsyncSession], async_db_session: AsyncSession
) -> None:
    await _published(async_db_session, *[300] * 7, None)
    stop = asyncio.Event()
    pruning = Pruning(sessions, retention=100, batch=2, interval=3_600)
    work = asyncio.create_task(pruning.run(stop))

    async def is_done() -> bool:
        return await _left(async_db_session) == [8]

    await eventually(is_done)
    stop.set()
    await asyncio.wait_for(work, 5)

    assert await _left(async_db_session) == [8]


async def test_a_database_that_fails_is_logged_and_tried_again(
    sessions: async_sessionmaker[AsyncSession],
    async_db_session: AsyncSession,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await _published(async_db_session, 300)
    await async_db_session.execute(text("ALTER TABLE events RENAME TO elsewhere"))
    await async_db_session.commit()
    stop = asyncio.Event()
    work = asyncio.create_task(Pruning(sessions, retention=100, interval=0.01).run(stop))

    async def has_failed() -> bool:
        return "Old events were not removed" in caplog.text

    await eventually(has_failed)
    await async_db_session.execute(text("ALTER TABLE elsewhere RENAME TO events"))
    await async_db_session.commit()

    async def is_done() -> bool:
        return await _left(async_db_session) == []

    await eventually(is_done)
    stop.set()
    await asyncio.wait_for(work, 5)

    assert not work.cancelled()
