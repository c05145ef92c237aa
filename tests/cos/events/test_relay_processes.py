"""Control centers as processes of their own, killed and frozen where it hurts."""

import os
import re
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from cos.events.event import partition_of, stream_name
from cos.settings import Settings
from testkit.isolation.database import Database
from tests.cos.events.relays import eventually, firsts, module_in, relay_of, running, told, write

ROOT = Path(__file__).parents[3]
MANY = text(
    """
    INSERT INTO events (id, module_id, sequence, partition, type, version, correlation_id, payload)
    SELECT gen_random_uuid(), :module_id, number, :partition, 'module.changed', 1, '-',
        jsonb_build_object('text', repeat('x', 1000))
    FROM generate_series(1, :count) AS number
    """
)

pytestmark = pytest.mark.slow


@contextmanager
def _serving(**environment: str) -> Iterator[subprocess.Popen[str]]:
    """A control center as it is started by people; killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cos", "serve", "--port", "0"],
        cwd=ROOT,
        env={**os.environ, "COS_EVENT_POLL_INTERVAL": "0.05", **environment},
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stderr is not None
            assert re.match("Serving ", process.stderr.readline())
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()


@asynccontextmanager
async def _held_before_the_mark(
    database: Database, redis: Redis, module_id: UUID, **environment: str
) -> AsyncIterator[tuple[subprocess.Popen[str], AsyncSession]]:
    """A process that has published the module's one event, and waits for the row to mark it."""
    async with database.async_session() as holder:
        await holder.execute(text("SELECT FROM events FOR UPDATE"))
        with _serving(COS_LOCK_TIMEOUT="60", COS_STATEMENT_TIMEOUT="60", **environment) as process:
            found = await redis.xread({stream_name(partition_of(module_id)): "0"}, block=15_000)
            assert found
            yield process, holder
        await holder.rollback()


async def _has(redis: Redis, module_id: UUID, last: int) -> None:
    async def is_there() -> bool:
        return last in await told(redis, module_id)

    await eventually(is_there, seconds=30)


async def test_a_relay_that_is_killed_between_publishing_and_marking_loses_nothing(
    settings: Settings,
    database: Database,
    async_db_session: AsyncSession,
    async_redis_client: Redis,
) -> None:
    module_id = uuid4()
    await write(async_db_session, module_id)
    async with (
        relay_of(settings, event_poll_interval=0.05) as other,
        _held_before_the_mark(database, async_redis_client, module_id) as (process, holder),
        running(other),
    ):
        await write(async_db_session, module_id, 3, first=2)
        before = await told(async_redis_client, module_id)
        process.kill()
        process.wait(10)
        await holder.rollback()
        await _has(async_redis_client, module_id, 4)

    sequences = await told(async_redis_client, module_id)

    # The other one waited for the dead one's lock, then published what was not marked once more.
    assert before == [1]
    assert sequences == [1, 1, 2, 3, 4]


async def test_a_relay_that_is_frozen_loses_its_partition_and_does_no_harm_when_it_thaws(
    settings: Settings,
    database: Database,
    async_db_session: AsyncSession,
    async_redis_client: Redis,
) -> None:
    module_id = uuid4()
    await write(async_db_session, module_id)
    async with (
        relay_of(settings, event_poll_interval=0.05) as other,
        _held_before_the_mark(
            database, async_redis_client, module_id, COS_IDLE_IN_TRANSACTION_TIMEOUT="1"
        ) as (process, holder),
        running(other) as stop,
    ):
        process.send_signal(signal.SIGSTOP)
        await holder.rollback()
        await write(async_db_session, module_id, 2, first=2)
        await _has(async_redis_client, module_id, 3)
        stop.set()
        process.send_signal(signal.SIGCONT)
        # The thawed one publishes this: nobody else does now.
        await write(async_db_session, module_id, first=4)
        await _has(async_redis_client, module_id, 4)
        process.terminate()
        _, log = process.communicate(timeout=20)

    assert firsts(await told(async_redis_client, module_id)) == [1, 2, 3, 4]
    assert "cannot be read or marked" in log
    assert "Traceback" not in log


async def test_processes_that_are_killed_one_after_the_other_lose_nothing(
    async_db_session: AsyncSession, async_redis_client: Redis
) -> None:
    written = [module_in(partition) for partition in (0, 3, 3)]
    sequence = 0
    with _serving():
        for _ in range(2):
            with _serving() as victim:
                for _ in range(8):
                    sequence += 1
                    for module_id in written:
                        await write(async_db_session, module_id, first=sequence)
                victim.kill()
                victim.wait(10)
        for module_id in written:
            await _has(async_redis_client, module_id, sequence)

    for module_id in written:
        found = firsts(await told(async_redis_client, module_id))
        assert found == list(range(1, sequence + 1))


async def test_ten_thousand_pending_events_are_published_in_bounded_memory(
    settings: Settings, async_db_session: AsyncSession, async_redis_client: Redis
) -> None:
    module_id = uuid4()
    values = {"module_id": module_id, "partition": partition_of(module_id), "count": 10_000}
    await async_db_session.execute(MANY, values)
    await async_db_session.commit()
    async with relay_of(settings) as relay:
        tracemalloc.start()
        try:
            rounds = [await relay.round()]
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        while rounds[-1].has_more:
            rounds.append(await relay.round())

    assert sum(done.published for done in rounds) == 10_000
    assert max(done.published for done in rounds) == settings.event_batch
    # More than 10 MB wait, as objects many more; one batch of 100 is far less in all its forms.
    assert peak < 4_000_000
    assert await async_redis_client.xlen(stream_name(partition_of(module_id))) == 10_000
