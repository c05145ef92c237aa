"""Relays under test, on the real servers, and what they published."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from cos.db.redis_client import service_redis
from cos.events.event import Event, EventType, from_fields, partition_of, stream_name
from cos.events.outbox import announce
from cos.events.publishing.breaker import Policy
from cos.events.publishing.guard import Guard
from cos.events.relay import Relay, relay_engine
from cos.settings import Settings

__all__ = [
    "entries",
    "eventually",
    "firsts",
    "module_in",
    "published",
    "relay_of",
    "running",
    "told",
    "write",
]

# Opens at once, and is tried again soon.
QUICK = Policy(failures=1, cooldown=0.05, longest_cooldown=0.05)


def module_in(partition: int) -> UUID:
    """Return the id of a module whose events are in ``partition``."""
    while True:
        drawn = uuid4()
        if partition_of(drawn) == partition:
            return drawn


async def write(
    session: AsyncSession, module_id: UUID, count: int = 1, *, first: int = 1, **payload: Any
) -> None:
    """Commit events of a module, numbered from ``first`` on."""
    for sequence in range(first, first + count):
        announce(
            session,
            EventType.MODULE_CHANGED,
            module_id=module_id,
            sequence=sequence,
            payload=payload,
        )
    await session.commit()


@asynccontextmanager
async def relay_of(
    settings: Settings, guard: Guard | None = None, **changes: Any
) -> AsyncIterator[Relay]:
    """A relay with connections of its own to the servers, under the settings with ``changes``."""
    changed = settings.model_copy(update=changes)
    async with AsyncExitStack() as stack:
        engine = relay_engine(changed)
        stack.push_async_callback(engine.dispose)
        redis = service_redis(changed)
        stack.push_async_callback(redis.aclose)
        yield Relay(engine, redis, guard or Guard("redis", policy=QUICK), changed)


@asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[asyncio.Event]:
    """The relay at work; gives the event that stops it, which is set at the end anyway."""
    stop = asyncio.Event()
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        tasks.create_task(relay.run(stop))
        try:
            yield stop
        finally:
            stop.set()


async def entries(redis: Redis, partition: int) -> list[tuple[bytes, dict[Any, Any]]]:
    """Return the entries of a partition's stream, with their ids, in their order."""
    found: Any = await redis.xrange(stream_name(partition))
    return list(found)


async def published(redis: Redis, partition: int) -> list[Event]:
    """Return what is in a partition's stream, in its order."""
    return [
        from_fields({name.decode(): value.decode() for name, value in fields.items()})
        for _, fields in await entries(redis, partition)
    ]


async def told(redis: Redis, module_id: UUID) -> list[int]:
    """Return the sequence numbers that a module's stream has of it, in its order."""
    events = await published(redis, partition_of(module_id))
    return [event.sequence for event in events if event.module_id == module_id]


def firsts(sequences: Iterable[int]) -> Sequence[int]:
    """Return each number where it comes first."""
    return list(dict.fromkeys(sequences))


async def eventually(condition: Callable[[], Awaitable[object]], *, seconds: float = 15) -> None:
    """Return as soon as the condition holds; raise AssertionError when it does not in time."""
    never = asyncio.Event()
    for _ in range(int(seconds / 0.005)):
        if await condition():
            return
        try:
            await asyncio.wait_for(never.wait(), 0.005)
        except TimeoutError:
            continue
    raise AssertionError(f"not within {seconds:.0f} s: {condition}")
