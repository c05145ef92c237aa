from datetime import UTC, datetime, timedelta
from uuid import uuid4

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from cos.events.publishing.backlog import Backlog, measure
from cos.models import OutboxEvent
from tests.cos.events.relays import module_in, write


async def test_an_empty_outbox_has_none(async_db_session: AsyncSession) -> None:
    found = await measure(async_db_session)
    await async_db_session.rollback()

    assert found == Backlog(0, 0.0)


async def test_it_counts_what_waits_and_says_since_when(async_db_session: AsyncSession) -> None:
    await write(async_db_session, module_in(1), 2)
    await write(async_db_session, module_in(7), 3)
    await async_db_session.execute(
        update(OutboxEvent)
        .where(OutboxEvent.partition == 7)
        .values(occurred_at=datetime.now(UTC) - timedelta(hours=1))
    )
    found = await measure(async_db_session)
    await async_db_session.rollback()

    assert found.count == 5
    assert 3_600 <= found.oldest < 3_700


async def test_what_is_published_waits_no_more(async_db_session: AsyncSession) -> None:
    await write(async_db_session, module_in(1), 3)
    await async_db_session.execute(update(OutboxEvent).values(published_at=datetime.now(UTC)))
    found = await measure(async_db_session)
    await async_db_session.rollback()

    assert found == Backlog(0, 0.0)


async def test_an_event_from_the_future_has_no_age(async_db_session: AsyncSession) -> None:
    await write(async_db_session, uuid4())
    later = datetime.now(UTC) + timedelta(hours=1)
    await async_db_session.execute(update(OutboxEvent).values(occurred_at=later))
    found = await measure(async_db_session)
    await async_db_session.rollback()

    assert found == Backlog(1, 0.0)


async def test_a_long_backlog_is_not_counted_to_its_end(async_db_session: AsyncSession) -> None:
    await write(async_db_session, uuid4(), 5)
    found = await measure(async_db_session, most=3)
    await async_db_session.rollback()

    assert found.count == 3
