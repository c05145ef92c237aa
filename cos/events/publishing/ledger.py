"""What the database knows of publication: whose turn it is, what is pending, what was published.

All of it is done in the caller's transaction. The lock of a partition's row is the right to publish
it; it ends with the transaction, and with the connection of a process that died.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, bindparam, or_, select, text, true
from sqlalchemy.ext.asyncio import AsyncConnection

from cos.events.event import Event
from cos.models import EventPartition, OutboxEvent

__all__ = ["Pending", "claim", "mark", "pending", "unmark"]

NOTHING: Final = "0-0"
# Those of an event, in the order of its fields.
COLUMNS: Final = [getattr(OutboxEvent, field.name) for field in fields(Event)]


def _first(*columns: Any) -> Select[*tuple[Any, ...]]:
    """Select from a partition's events that are not published, in their order."""
    return (
        select(OutboxEvent.position, *columns)
        .where(
            OutboxEvent.partition == EventPartition.partition, OutboxEvent.published_at.is_(None)
        )
        .order_by(OutboxEvent.position)
    )


def _claim(condition: ColumnElement[bool]) -> Select[int, str | None]:
    return (
        select(EventPartition.partition, EventPartition.last_stream_id)
        .where(condition)
        .order_by(EventPartition.partition)
        .with_for_update(skip_locked=True)
    )


def _pending() -> Select[*tuple[Any, ...]]:
    first = _first(OutboxEvent.partition, *COLUMNS).limit(bindparam("most")).lateral("first")
    return (
        select(first)
        .select_from(EventPartition)
        .join(first, true())
        .where(EventPartition.partition.in_(bindparam("partitions", expanding=True)))
        .order_by(first.c.partition, first.c.position)
    )


# Made once: to make a statement takes longer than to have it executed. With its limit this stays
# one look into the index for each partition, however long the backlog.
HAS_SOME: Final = _first().limit(1).correlate(EventPartition).scalar_subquery().is_not(None)
CLAIM: Final = _claim(HAS_SOME)
CLAIM_IDLE_TOO: Final = _claim(or_(HAS_SOME, EventPartition.last_stream_id.is_not(None)))
PENDING: Final = _pending()

MARK: Final = text(
    """
    WITH marked AS (
        UPDATE events SET published_at = clock_timestamp(), stream_id = published.stream_id
        FROM unnest(CAST(:positions AS bigint[]), CAST(:stream_ids AS text[]))
            AS published (position, stream_id)
        WHERE events.position = published.position
    )
    UPDATE event_partitions SET last_stream_id = reached.stream_id
    FROM unnest(CAST(:partitions AS smallint[]), CAST(:reached AS text[]))
        AS reached (partition, stream_id)
    WHERE event_partitions.partition = reached.partition
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


@dataclass(frozen=True, slots=True)
class Pending:
    """An event that is not published, and where it stands in the outbox."""

    position: int
    event: Event


async def claim(connection: AsyncConnection, *, idle_too: bool) -> dict[int, str | None]:
    """Lock the partitions that have something to publish.

    Return them, each with the stream id that it has reached. ``idle_too`` adds those that published
    before. What another session has locked is left to it.
    """
    claimed = await connection.execute(CLAIM_IDLE_TOO if idle_too else CLAIM)
    return {row.partition: row.last_stream_id for row in claimed}


async def pending(
    connection: AsyncConnection, partitions: Collection[int], limit: int
) -> Mapping[int, Sequence[Pending]]:
    """Return the first events of each claimed partition that are not published, in their order.

    Up to ``limit`` of each; those that have none are left out. It has to be a statement of its own:
    that of the claim may have begun before the session that held a partition until then committed.
    """
    values = {"partitions": list(partitions), "most": limit}
    rows = await connection.execute(PENDING, values)
    found: dict[int, list[Pending]] = defaultdict(list)
    for position, partition, *facts in rows:
        found[partition].append(Pending(position, Event(*facts)))
    return dict(found)


async def mark(
    connection: AsyncConnection, published: Mapping[int, Sequence[tuple[Pending, str]]]
) -> None:
    """Note that events are published, each with the id of its entry; at least one a partition."""
    entries = [entry for partition in published.values() for entry in partition]
    values = {
        "positions": [event.position for event, _ in entries],
        "stream_ids": [stream_id for _, stream_id in entries],
        "partitions": list(published),
        "reached": [partition[-1][1] for partition in published.values()],
    }
    await connection.execute(MARK, values)


async def unmark(
    connection: AsyncConnection, partition: int, *, after: str | None, most: int
) -> int:
    """Make what was published later than the entry ``after`` pending again; return how many.

    Of the events that are still there, the newest ``most`` are looked at.
    """
    values = {"partition": partition, "most": most, "reached": after, "after": after or NOTHING}
    return (await connection.execute(UNMARK, values)).rowcount
