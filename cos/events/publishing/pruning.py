"""Removing events that were published long ago."""

import asyncio
import logging
from typing import Final

from sqlalchemy import CursorResult, delete, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cos.db.failures import reason
from cos.events.pausing import pause
from cos.models import OutboxEvent

__all__ = ["Pruning"]

LOGGER: Final = logging.getLogger(__name__)
# Rows of one transaction: some 50 ms, so that nobody waits for its locks.
BATCH: Final = 1_000
# Seconds between two looks. The table may hold what came due since the last one.
INTERVAL: Final = 60.0


class Pruning:
    """Removes what was published more than ``retention`` seconds ago, by the database's clock.

    What is not published stays, however old. Any number of processes may prune: each passes over
    what another one has locked.
    """

    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        *,
        retention: float,
        batch: int = BATCH,
        interval: float = INTERVAL,
    ) -> None:
        self._sessions = sessions
        self._retention = retention
        self._batch = batch
        self._interval = interval

    async def run(self, stop: asyncio.Event) -> None:
        """Prune now and then until ``stop`` is set; a database that fails is tried again."""
        while not stop.is_set():
            try:
                is_done = await self.prune() < self._batch
            except (SQLAlchemyError, OSError) as error:
                LOGGER.warning("Old events were not removed this time: %s", reason(error))
                is_done = True
            if is_done:
                await pause(stop, self._interval)

    async def prune(self) -> int:
        """Remove one batch, the oldest first; return how many events it had."""
        due = func.now() - func.make_interval(0, 0, 0, 0, 0, 0, self._retention)
        # The lock looks at the row once more: one that became pending again meanwhile stays.
        oldest = (
            select(OutboxEvent.position)
            .where(OutboxEvent.published_at < due)
            .order_by(OutboxEvent.published_at)
            .limit(self._batch)
            .with_for_update(skip_locked=True)
        )
        statement = (
            delete(OutboxEvent)
            .where(OutboxEvent.position.in_(oldest))
            .execution_options(synchronize_session=False)
        )
        async with self._sessions.begin() as session:
            result = await session.execute(statement)
        return result.rowcount if isinstance(result, CursorResult) else 0
