"""Whether the parts that the control center depends on answer."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import FromClause, Select, select, true
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cos.db.declarative import Base

__all__ = ["Dependency", "Readiness", "lacking", "probes_of"]

LOGGER: Final = logging.getLogger(__name__)

# Without Redis everything is stored, and events wait in the outbox until it is back.
REQUIRED: Final = ("database",)

Probe = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Dependency:
    """The state of one dependency. ``reason`` never holds an address or a server's own words."""

    state: Literal["up", "down"]
    reason: str | None = None


def probes_of(engine: AsyncEngine, redis: Redis) -> dict[str, Probe]:
    """Return what to ask, by the name of the dependency."""
    schema = _every_column()

    async def database() -> None:
        async with engine.connect() as connection:
            await connection.execute(schema)

    async def cache() -> None:
        await redis.ping()

    return {"database": database, "redis": cache}


def _every_column() -> Select[Any]:
    """Return a statement for no row of any table: it fails where a table or a column is missing."""
    first, *others = Base.metadata.sorted_tables
    every: FromClause = first
    for table in others:
        every = every.join(table, true())
    return select(every).limit(0)


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
        return Dependency(
            "down", "it answers, but its schema is missing or older; run: python -m cos migrate"
        )
    except (SQLAlchemyError, RedisError, OSError) as error:
        LOGGER.warning("%s is not ready: %s", name, error)
        return Dependency("down", "it cannot be reached, or it refuses this service; see the log")
    return Dependency("up")


def lacking(found: Mapping[str, Dependency]) -> list[str]:
    """Return the names of what is down and without which nothing can be served."""
    return [name for name in REQUIRED if name in found and found[name].state == "down"]
