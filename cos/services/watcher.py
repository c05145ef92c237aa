"""The watch over modules: who is silent for too long is announced to be offline, once."""

import asyncio
import logging
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cos.models import HealthState, Module
from cos.services.database_clock import database_clock
from cos.services.periodic import repeat
from cos.services.state_changes import lock_free, store
from cos.services.transitions import fall_silent

__all__ = ["Watcher", "announce_silent"]

LOGGER: Final = logging.getLogger(__name__)
# Modules that one transaction announces: their rows are locked for some ten milliseconds.
BATCH: Final = 500


async def announce_silent(
    session: AsyncSession,
    *,
    offline_after: timedelta,
    limit: int = BATCH,
    now: datetime | None = None,
) -> int:
    """Announce up to ``limit`` active modules that were silent for longer; return how many.

    A row that somebody else holds is passed over: another watcher announces it, or a heartbeat is
    just being stored. Silence is judged on the row as it is once it is locked, so a heartbeat that
    was committed meanwhile counts, and one that waits for the lock finds the module offline and
    announces it back. Modules that are not active are not watched; their state stays what it was.
    """
    found = await lock_free(session, _silent(offline_after, now), limit=limit)
    steps = [
        (
            module,
            fall_silent(module.known, registered=module.registered, now=now or module.now),
        )
        for module in found
    ]
    await store(session, steps)
    return len(found)


def _silent(offline_after: timedelta, now: datetime | None) -> ColumnElement[bool]:
    # In a query of its own the limit is computed once, and not for each module.
    silent_before = select(database_clock(now) - offline_after).scalar_subquery()
    return (
        Module.active
        & (Module.state != HealthState.OFFLINE)
        & (func.coalesce(Module.last_active, Module.created_at) < silent_before)
    )


class Watcher:
    """The job that looks for silent modules every ``interval`` seconds; any number may run."""

    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        *,
        offline_after: float,
        interval: float,
    ) -> None:
        self._sessions = sessions
        self._offline_after = timedelta(seconds=offline_after)
        self._interval = interval

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until asked to stop."""
        await repeat(self.watch, stop, interval=self._interval, name="the watch over modules")

    async def watch(self, stop: asyncio.Event) -> int:
        """Announce whoever is silent now, a transaction for each batch; return how many."""
        announced = 0
        while not stop.is_set():
            async with self._sessions.begin() as session:
                batch = await announce_silent(
                    session, offline_after=self._offline_after, limit=BATCH
                )
            announced += batch
            if batch < BATCH:
                break
        if announced:
            LOGGER.info("%d modules were silent for too long and are offline", announced)
        return announced
