"""Writers that change modules through the services, and now and then change their mind."""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from cos.models import HealthState
from cos.services import health, modules
from cos.services.errors import UnknownModuleError
from cos.services.health import Heartbeat
from cos.services.modules import NewModule

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

__all__ = ["Writers"]

LOST: Final = (OperationalError, InterfaceError, PoolTimeoutError, OSError)
STATES: Final = (HealthState.HEALTHY, HealthState.DEGRADED)


class _ChangedMindError(Exception):
    pass


@dataclass
class Writers:
    """Make changes until ``target`` of them are committed.

    Every change carries a marker of its own: in the name, the version or the details. Those of
    transactions that were rolled back on purpose stand in ``taken_back``.
    """

    sessions: async_sessionmaker[AsyncSession]
    seed: int
    target: int
    committed: int = 0
    lost: int = 0
    taken_back: set[str] = field(default_factory=set)
    _alive: list[UUID] = field(default_factory=list)
    _beats: dict[UUID, int] = field(default_factory=dict)
    _markers: int = 0
    _progress: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def reach(self, number: int) -> None:
        """Return when so many changes are committed, or all are."""
        async with self._progress:
            await self._progress.wait_for(lambda: self.committed >= min(number, self.target))

    async def write(self, number: int) -> None:
        """Be one writer."""
        chance = random.Random(f"{self.seed}/{number}")
        while self.committed < self.target:
            self._markers += 1
            marker = f"{number}-{self._markers}"
            try:
                async with self.sessions.begin() as session:
                    await self._change(session, chance, marker)
            except _ChangedMindError:
                self.taken_back.add(marker)
                continue
            except UnknownModuleError:
                continue  # another writer removed it
            except LOST:
                # Whether it was committed is known to the database alone.
                self.lost += 1
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.reach(self.target), 0.05)
                continue
            async with self._progress:
                self.committed += 1
                self._progress.notify_all()

    async def _change(self, session: AsyncSession, chance: random.Random, marker: str) -> None:
        draw = chance.random()
        module_id = chance.choice(self._alive) if self._alive else None
        if module_id is None or draw < 0.1:
            made = await modules.register(session, NewModule(f"chaos {marker}", marker))
            module_id = made.id
        elif draw < 0.13:
            self._alive.remove(module_id)
            await modules.remove(session, module_id)
            return
        elif draw < 0.6:
            await modules.change(session, module_id, {"version": marker})
        else:
            # Another state than the last time: a heartbeat that changes nothing is no event.
            state = STATES[self._beats.get(module_id, 0) % 2]
            self._beats[module_id] = self._beats.get(module_id, 0) + 1
            await health.beat(session, module_id, Heartbeat(state, {"marker": marker}))
        if chance.random() < 0.1:
            raise _ChangedMindError
        if module_id not in self._alive:
            self._alive.append(module_id)
