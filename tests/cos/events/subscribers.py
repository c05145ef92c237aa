"""Subscribers for tests: what they do is a row of the table of modules.

A table of the tests' own would be a change of the schema, which costs each test its time.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from redis.asyncio import Redis
from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cos.events.event import Event, partition_of, stream_name, to_fields
from cos.events.outbox import event_of
from cos.events.subscriber import Delivery, Subscriber, SubscriberSettings
from cos.events.subscribing.consumer_group import STREAMS
from cos.models import DeadLetter, Module, OutboxEvent

Sessions = async_sessionmaker[AsyncSession]
SECONDS = 30

# What waits in earnest waits for milliseconds; what is meant to come later never comes.
QUICK = SubscriberSettings(
    retry_base=0.0,
    pause=0.01,
    block=0.2,
    claim_every=3_600,
    reconcile_every=3_600,
    replay_every=0.02,
)


def event(module_id: UUID, sequence: int) -> Event:
    """Return an event that stands in no table."""
    return Event(
        id=uuid4(),
        type="health.changed",
        module_id=module_id,
        sequence=sequence,
        occurred_at=datetime.now(UTC),
        payload={"status": "healthy"},
    )


async def store(sessions: Sessions, module_id: UUID, *sequences: int) -> list[Event]:
    """Commit events of a module to the table, and return them."""
    rows = [
        OutboxEvent(
            type="health.changed",
            version=1,
            module_id=module_id,
            sequence=sequence,
            partition=partition_of(module_id),
            correlation_id="-",
            payload={"status": "healthy"},
        )
        for sequence in sequences
    ]
    async with sessions.begin() as session:
        session.add_all(rows)
        await session.flush()
        for row in rows:
            await session.refresh(row)
        return [event_of(row) for row in rows]


async def publish(redis: Redis, events: Sequence[Event]) -> None:
    """Append events to the streams, in this order."""
    for one in events:
        fields: dict[Any, Any] = to_fields(one)
        await redis.xadd(stream_name(partition_of(one.module_id)), fields)


@dataclass(frozen=True, slots=True)
class Effect:
    """What a handler did, read from the table."""

    module_id: UUID
    sequence: int
    attempt: int
    replayed: bool


async def record(delivery: Delivery, group: str) -> None:
    """Write what was delivered, in the delivery's transaction; twice would be two rows."""
    effect = {
        "group": group,
        "module": str(delivery.event.module_id),
        "attempt": delivery.attempt,
        "replayed": delivery.replayed,
    }
    await delivery.session.execute(
        insert(Module).values(
            id=uuid4(),
            name=str(uuid4()),
            version=str(delivery.event.sequence),
            config=effect,
            created_at=func.clock_timestamp(),
        )
    )


async def effects_of(sessions: Sessions, group: str) -> list[Effect]:
    """Return what a group did, in the order of the writing."""
    async with sessions.begin() as session:
        rows = await session.execute(
            select(Module.version, Module.config)
            .where(Module.config["group"].astext == group)
            .order_by(Module.created_at)
        )
        return [
            Effect(UUID(config["module"]), int(version), config["attempt"], config["replayed"])
            for version, config in rows
        ]


async def handled(sessions: Sessions, group: str, module_id: UUID) -> list[int]:
    """Return the sequences that a group handled of a module, in the order of the writing."""
    return [
        effect.sequence
        for effect in await effects_of(sessions, group)
        if effect.module_id == module_id
    ]


async def pending(redis: Redis, group: str) -> int:
    """Return how many entries the group was given and has not acknowledged."""
    client: Any = redis
    return sum([(await client.xpending(stream, group))["pending"] for stream in STREAMS])


async def letters(sessions: Sessions, group: str) -> Sequence[DeadLetter]:
    """Return the dead letters of a group, oldest first."""
    async with sessions.begin() as session:
        rows = await session.scalars(
            select(DeadLetter).where(DeadLetter.group_name == group).order_by(DeadLetter.id)
        )
        return rows.all()


class Recorder(Subscriber):
    """Records what it is given; ``before`` is called first, with the delivery."""

    def __init__(
        self,
        sessions: Sessions,
        redis: Redis,
        group: str,
        *,
        settings: SubscriberSettings = QUICK,
        before: Callable[[Delivery], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(sessions, redis, settings=settings)
        self.group = group  # type: ignore[misc]  # a class of its own for each would do as well
        self._before = before

    async def handle(self, delivery: Delivery) -> None:
        if self._before is not None:
            await self._before(delivery)
        await record(delivery, self.group)


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Wait until a condition on servers holds; they tell nobody of it."""
    clock = asyncio.Event()
    async with asyncio.timeout(SECONDS):
        while not await condition():
            try:
                await asyncio.wait_for(clock.wait(), 0.005)
            except TimeoutError:
                continue


async def until_true(condition: Callable[[], object]) -> None:
    """Wait until something holds in this process."""

    async def look() -> object:
        return condition()

    await until(look)


@asynccontextmanager
async def running(*subscribers: Subscriber, ready: bool = True) -> AsyncIterator[None]:
    """Run subscribers, each in a task of its own; stopped gracefully at the end."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(subscriber.run(stop)) for subscriber in subscribers]
    try:
        if ready:
            async with asyncio.timeout(SECONDS):
                for subscriber in subscribers:
                    await subscriber.ready.wait()
        yield
    finally:
        stop.set()
        async with asyncio.timeout(SECONDS):
            await asyncio.gather(*tasks)
