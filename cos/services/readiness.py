"""Whether the parts that the control center depends on answer."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import literal, select
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cos.models import Module

__all__ = ["Dependency", "Readiness", "probes_of"]

LOGGER: Final = logging.getLogger(__name__)

Probe = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Dependency:
    """The state of one dependency. ``reason`` never holds an address or a server's own words."""

    state: Literal["up", "down"]
    reason: str | None = None


def probes_of(engine: AsyncEngine, redis: Redis) -> dict[str, Probe]:
    """Return what to ask, by the name of the dependency."""

    async def database() -> None:
        async with engine.connect() as connection:
            # A table that is asked for no row shows a schema that was never migrated.
            await connection.execute(select(literal(1)).select_from(Module).limit(0))

    async def cache() -> None:
        await redis.ping()

    return {"database": database, "redis": cache}


class Readiness:
    """Asks every dependency at once and answers within ``timeout`` seconds, whatever they do."""

    def __init__(self, probes: Mapping[str, Probe], *, timeout: float) -> None:
        self._probes = probes
        self._timeout = timeout
        self._late: set[asyncio.Task[Dependency]] = set()

    async def check(self) -> dict[str, Dependency]:
        """Return the state of each dependency, in the order of the probes."""
        tasks = {
            name: asyncio.create_task(_ask(name, probe)) for name, probe in self._probes.items()
        }
        await asyncio.wait(tasks.values(), timeout=self._timeout)
        return {name: self._answer(task) for name, task in tasks.items()}

    async def aclose(self) -> None:
        """Wait for the end of probes that were given up on; they are bounded by the drivers."""
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)

    def _answer(self, task: asyncio.Task[Dependency]) -> Dependency:
        if task.done():
            return task.result()
        # Not awaited: a driver that is cancelled first tries to cancel on the silent server too.
        task.cancel()
        self._late.add(task)
        task.add_done_callback(self._late.discard)
        return Dependency("down", f"no answer within {self._timeout:g} s")


async def _ask(name: str, probe: Probe) -> Dependency:
    try:
        await probe()
    except ProgrammingError as error:
        LOGGER.warning("%s is not ready: %s", name, error)
        return Dependency("down", "it answers, but has no schema; run: python -m cos migrate")
    except (SQLAlchemyError, RedisError, OSError) as error:
        LOGGER.warning("%s is not ready: %s", name, error)
        return Dependency("down", "it cannot be reached, or it refuses this service; see the log")
    return Dependency("up")
