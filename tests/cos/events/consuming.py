"""A process of its own that runs a subscriber, to be killed or frozen in the middle.

``python -m tests.cos.events.consuming GROUP TIMEOUT HELD``: prints a line for each event that its
handler has written and not committed; the event with the sequence HELD it never finishes by itself.
"""

import asyncio
import sys
from dataclasses import replace

from sqlalchemy.ext.asyncio import async_sessionmaker

from cos.db.engine import service_engine
from cos.db.redis_client import service_redis
from cos.events.subscriber import Delivery, Subscriber
from cos.settings import Settings, load
from tests.cos.events.subscribers import QUICK, record


class _Consumer(Subscriber):
    held = 0

    async def handle(self, delivery: Delivery) -> None:
        await record(delivery, self.group)
        sequence = delivery.event.sequence
        sys.stdout.write(f"{delivery.event.module_id} {sequence}\n")
        sys.stdout.flush()
        if sequence == self.held:
            await asyncio.Event().wait()


async def _consume(group: str, seconds: float, held: int) -> None:
    settings = load(Settings)
    engine, redis = service_engine(settings), service_redis(settings)
    consumer = _Consumer(
        async_sessionmaker(engine), redis, settings=replace(QUICK, timeout=seconds)
    )
    consumer.group, consumer.held = group, held  # type: ignore[misc]  # of this process
    await consumer.run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(_consume(sys.argv[1], float(sys.argv[2]), int(sys.argv[3])))
