"""What the database knows of publication: whose turn it is, what is pending, what was published.

All of it is done in the caller's transaction. The lock of a partition's row is the right to publish
it; it ends with the transaction, and with the connection of a process that died.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import CursorResult, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from cos.models import EventPartition, OutboxEvent

__all__ = ["claim", "mark", "pending", "unmark"]

NOTHING: Final = "0-0"

MARK: Final = text(
    """
    WITH marked AS (
        UPDATE events SET published_at = clock_timestamp(), stream_id = published.stream_id
        FROM unnest(CAST(:positions AS bigint[]), CAST(:stream_ids AS text[]))
            AS published (position, stream_id)
        WHERE events.position = published.position
    )
    UPDATE event_partitions SET last_stream_id = :reached WHERE partition = :partition
    """
)

# As arrays of numbers, stream ids have the order that Redis gives them.
UNMARK: Final = text(
    """
    WITH newest AS (
        SELECT position, stream_id FROM events
        WHERE partition = :partition AND published_at IS NOT NULL
        ORDER BY position DESC LIMIT :most
    ), reset AS (
        UPDATE event_partitions SET last_stream_id = :reached WHERE partition = :partition
    )
    UPDATE events SET published_at = NULL, stream_id = NULL FROM newest
    WHERE events.position = newest.position AND
        string_to_array(newest.stream_id, '-')::numeric[]
            > string_to_array(CAST(:after AS text), '-')::numeric[]
    """
)


async def claim(session: AsyncSession, *, idle_too: bool) -> list[tuple[int, str | None]]:
    """Lock the partitions that have something to publish, and return them.

    Each comes with the stream id that it has reached. ``idle_too`` adds those that published
    before. What another session has locked is left to it.
    """
    # With its limit it stays one look into the index for each partition, however long the backlog.
    first = (
        select(OutboxEvent.position)
        .where(
            OutboxEvent.partition == EventPartition.partition, OutboxEvent.published_at.is_(None)
        )
        .order_by(OutboxEvent.position)
        .limit(1)
    )
    has_some = first.correlate(EventPartition).scalar_subquery().is_not(None)
    has_published = EventPartition.last_stream_id.is_not(None)
    claimed = await session.execute(
        select(EventPartition.partition, EventPartition.last_stream_id)
        .where(or_(has_some, has_published) if idle_too else has_some)
        .order_by(EventPartition.partition)
        .with_for_update(skip_locked=True)
    )
    return [(partition, reached) for partition, reached in claimed]


async def pending(session: AsyncSession, partition: int, limit: int) -> Sequence[OutboxEvent]:
    """Return the first events of a claimed partition that are not published, in their order.

    It has to be a statement of its own: that of the claim may have begun before the session that
    held the partition until then committed.
    """
    statement = (
        select(OutboxEvent)
        .where(OutboxEvent.partition == partition, OutboxEvent.published_at.is_(None))
        .order_by(OutboxEvent.position)
        .limit(limit)
    )
    return (await session.scalars(statement)).all()


async def mark(
    session: AsyncSession, partition: int, rows: Sequence[OutboxEvent], stream_ids: Sequence[str]
) -> None:
    """Note that ``rows`` are published, as the entries of the same order; at least one."""
    values = {
        "partition": partition,
        "positions": [row.position for row in rows],
        "stream_ids": list(stream_ids),
        "reached": stream_ids[-1],
    }
    await session.execute(MARK, values)


async def unmark(session: AsyncSession, partition: int, *, after: str | None, most: int) -> int:
    """Make what was published later than the entry ``after`` pending again; return how many.

    Of the events that are still there, the newest ``most`` are looked at.
    """
    values = {"partition": partition, "most": most, "reached": after, "after": after or NOTHING}
    result = await session.execute(UNMARK, values)
    return result.rowcount if isinstance(result, CursorResult) else 0
