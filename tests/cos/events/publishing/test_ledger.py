import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from cos.events.publishing import ledger
from cos.models import EventPartition, OutboxEvent
from testkit.isolation.database import Database
from tests.cos.events.relays import module_in, write


async def _claimed(session: AsyncSession, *, idle_too: bool = False) -> list[int]:
    return list(await ledger.claim(await session.connection(), idle_too=idle_too))


async def _pending(session: AsyncSession, limit: int, *partitions: int) -> dict[int, list[int]]:
    found = await ledger.pending(await session.connection(), partitions, limit)
    return {
        partition: [each.event.sequence for each in pending] for partition, pending in found.items()
    }


async def _publish(session: AsyncSession, **partitions: list[str]) -> None:
    """Mark the first events of partitions, named as in ``p3``, with these ids."""
    connection = await session.connection()
    ids = {int(name[1:]): stream_ids for name, stream_ids in partitions.items()}
    found = await ledger.pending(connection, ids, 100)
    await ledger.mark(
        connection,
        {number: list(zip(found[number], ids[number], strict=False)) for number in ids},
    )
    await session.commit()


async def test_only_partitions_with_something_to_publish_are_claimed(
    async_db_session: AsyncSession,
) -> None:
    await write(async_db_session, module_in(6))
    await write(async_db_session, module_in(2))

    assert await _claimed(async_db_session) == [2, 6]

    await async_db_session.rollback()


async def test_idle_ones_are_those_that_published_before(async_db_session: AsyncSession) -> None:
    await write(async_db_session, module_in(2))
    await _publish(async_db_session, p2=["1-1"])
    connection = await async_db_session.connection()

    assert await ledger.claim(connection, idle_too=False) == {}
    assert await ledger.claim(connection, idle_too=True) == {2: "1-1"}

    await async_db_session.rollback()


async def test_what_one_session_claimed_another_does_not(
    database: Database, async_db_session: AsyncSession
) -> None:
    for partition in (1, 2):
        await write(async_db_session, module_in(partition))
    async with database.async_session() as first, database.async_session() as second:
        await first.execute(text("SELECT FROM event_partitions WHERE partition = 1 FOR UPDATE"))
        while_held = await _claimed(second, idle_too=True)
        await second.rollback()
        await first.rollback()
        afterwards = await _claimed(second)
        await second.rollback()

    assert (while_held, afterwards) == ([2], [1, 2])


async def test_pending_events_come_in_order_and_in_batches(async_db_session: AsyncSession) -> None:
    await write(async_db_session, module_in(3), 5)
    await write(async_db_session, module_in(5), 2)
    await write(async_db_session, module_in(6), 2)
    found = await _pending(async_db_session, 3, 5, 4, 3)
    await async_db_session.rollback()

    assert found == {3: [1, 2, 3], 5: [1, 2]}


async def test_what_is_marked_has_its_entry_and_its_time(
    async_db_session: AsyncSession, db_session: Session
) -> None:
    await write(async_db_session, module_in(3), 3)
    await write(async_db_session, module_in(4), 1)
    await _publish(async_db_session, p3=["1-1", "1-2"], p4=["2-1"])
    rows = db_session.scalars(select(OutboxEvent).order_by(OutboxEvent.position)).all()
    reached = [db_session.get_one(EventPartition, number).last_stream_id for number in (3, 4, 5)]

    assert [row.stream_id for row in rows] == ["1-1", "1-2", None, "2-1"]
    assert [row.published_at is None for row in rows] == [False, False, True, False]
    assert reached == ["1-2", "2-1", None]


@pytest.mark.parametrize(
    ("after", "most", "again"),
    [
        (None, 100, [1, 2, 3, 4]),
        ("0-1", 100, [1, 2, 3, 4]),
        ("9-9", 100, [2, 3, 4]),
        # As numbers, not as text.
        ("9-10", 100, [3, 4]),
        ("10-0", 100, [4]),
        ("10-1", 100, []),
        (None, 2, [3, 4]),
    ],
)
async def test_what_was_published_later_becomes_pending_again(
    async_db_session: AsyncSession, after: str | None, most: int, again: list[int]
) -> None:
    await write(async_db_session, module_in(3), 4)
    await write(async_db_session, module_in(4))
    await _publish(async_db_session, p3=["9-9", "9-10", "10-0", "10-1"], p4=["99-0"])
    connection = await async_db_session.connection()
    count = await ledger.unmark(connection, 3, after=after, most=most)
    found = await _pending(async_db_session, 9, 3, 4)
    reached = await ledger.claim(connection, idle_too=True)
    await async_db_session.rollback()

    assert (found, count) == ({3: again} if again else {}, len(again))
    assert reached == {3: after, 4: "99-0"}
