"""How many events wait to be published, and for how long."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from cos.models import EventPartition, OutboxEvent

__all__ = ["COUNTED_AT_MOST", "Backlog", "backlog"]

COUNTED_AT_MOST: Final = 100_000
"""Counting goes no further: a larger backlog is no other alarm, and costs more at every look."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """Events that are committed and not published; ``oldest`` is the age of the first, seconds."""

    events: int
    oldest: float


async def backlog(session: AsyncSession) -> Backlog:
    """Return the backlog of all partitions, from the index of what is not published; one query."""
    waiting = (
        select(OutboxEvent.position)
        .where(OutboxEvent.published_at.is_(None))
        .limit(COUNTED_AT_MOST)
        .subquery()
    )
    first = (
        select(OutboxEvent.occurred_at)
        .where(
            OutboxEvent.partition == EventPartition.partition,
            OutboxEvent.published_at.is_(None),
        )
        .order_by(OutboxEvent.position)
        .limit(1)
        .lateral()
    )
    age = (
        select(func.extract("epoch", func.now() - func.min(first.c.occurred_at)))
        .select_from(EventPartition)
        .join(first, true())
    )
    count = select(func.count()).select_from(waiting)
    events, oldest = (
        await session.execute(select(count.scalar_subquery(), age.scalar_subquery()))
    ).one()
    return Backlog(events, float(oldest or 0))
