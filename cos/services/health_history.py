"""The history of a module's health: read a page at a time, and pruned."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cos.models import HealthRecord, Module
from cos.services.errors import UnknownModuleError
from cos.services.periodic import repeat

__all__ = ["HistoryPage", "Pruned", "Pruning", "page", "prune"]

LOGGER: Final = logging.getLogger(__name__)
# Rows that one transaction deletes: some ten milliseconds.
BATCH: Final = 5_000
# Seconds between two looks for what is too old.
INTERVAL: Final = 60.0
# By the places of the rows: a join by their ids would be free to read the whole table.
PRUNE: Final = text(
    """
    WITH oldest AS (
        SELECT ctid AS place, at FROM health_records
        WHERE id > :after ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM health_records WHERE ctid = ANY (ARRAY(
            SELECT place FROM oldest
            WHERE at < coalesce(CAST(:now AS timestamptz), now()) - CAST(:older_than AS interval)
        ))
        RETURNING id
    )
    SELECT count(*), max(id) FROM gone
    """
)


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Records of one module, newest first; ``next`` is None on the last page."""

    records: list[HealthRecord]
    next: datetime | None


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many records are gone, and the id of the last of them."""

    records: int
    last: int


async def page(
    session: AsyncSession, module_id: UUID, *, limit: int, before: datetime | None = None
) -> HistoryPage:
    """Return up to ``limit`` records from before that time.

    What is recorded between two pages stands on none of them, unless it came late. Raises
    `UnknownModuleError` if there is no such module.
    """
    statement = select(HealthRecord).where(HealthRecord.module_id == module_id)
    if before is not None:
        statement = statement.where(HealthRecord.at < before)
    statement = statement.order_by(HealthRecord.at.desc()).limit(limit + 1)
    records = list(await session.scalars(statement))
    if not records:
        known = await session.scalar(select(Module.id).where(Module.id == module_id))
        if known is None:
            raise UnknownModuleError(module_id)
    following = None
    if len(records) > limit:
        records.pop()
        following = records[-1].at
    return HistoryPage(records, following)


async def prune(
    session: AsyncSession,
    *,
    older_than: timedelta,
    after: int = 0,
    limit: int = BATCH,
    now: datetime | None = None,
) -> Pruned:
    """Delete up to ``limit`` records of more than that age, the oldest first.

    Records that another process is deleting are left to it. Looked at are the ``limit`` records
    that were stored first behind the id ``after``, by the primary key: one that was stored late
    waits until its neighbours are old enough.
    """
    given = {"after": after, "limit": limit, "now": now, "older_than": older_than}
    records, last = (await session.execute(PRUNE, given)).one()
    return Pruned(records, last or after)


class Pruning:
    """The job that deletes records of more than ``retention`` seconds, every minute."""

    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        *,
        retention: float,
        interval: float = INTERVAL,
    ) -> None:
        self._sessions = sessions
        self._retention = timedelta(seconds=retention)
        self._interval = interval

    async def run(self, stop: asyncio.Event) -> None:
        """Prune until asked to stop."""
        await repeat(
            self.prune_all, stop, interval=self._interval, name="the pruning of the history"
        )

    async def prune_all(self, stop: asyncio.Event) -> int:
        """Delete whatever is too old now, a transaction for each batch; return how many."""
        deleted = 0
        # Behind what was deleted: dead entries of the index are not walked over again and again.
        batch = Pruned(0, 0)
        while not stop.is_set():
            async with self._sessions.begin() as session:
                batch = await prune(
                    session, older_than=self._retention, after=batch.last, limit=BATCH
                )
            deleted += batch.records
            if batch.records < BATCH:
                break
        if deleted:
            LOGGER.info("%d records of health were older than the retention", deleted)
        return deleted
