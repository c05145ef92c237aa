"""How much waits in the outbox."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

__all__ = ["Backlog", "measure"]

# More than these are not counted: the query has to stay cheap when the backlog does not.
COUNTED: Final = 100_000

# The first pending event of each partition, not the least of all times: that would read them all.
QUERY: Final = text(
    """
    SELECT
        (SELECT count(*) FROM (
            SELECT 1 FROM events WHERE published_at IS NULL LIMIT :most
        ) AS counted),
        (SELECT extract(epoch FROM clock_timestamp() - min(first.occurred_at))
        FROM event_partitions AS each CROSS JOIN LATERAL (
            SELECT occurred_at FROM events
            WHERE events.partition = each.partition AND published_at IS NULL
            ORDER BY position LIMIT 1
        ) AS first)
    """
)


@dataclass(frozen=True, slots=True)
class Backlog:
    """Events that are committed and not published.

    ``count`` ends where counting became too much. ``oldest`` is the age in seconds of the one that
    waits longest, 0 where none waits.
    """

    count: int
    oldest: float


async def measure(session: AsyncSession, *, most: int = COUNTED) -> Backlog:
    """Return the backlog, by one query; ``most`` are counted."""
    count, oldest = (await session.execute(QUERY, {"most": most})).one()
    return Backlog(count, max(0.0, float(oldest or 0)))
