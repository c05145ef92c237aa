"""Everything fails, again and again, while modules change; afterwards nothing is missing.

Two replicas publish, four writers change modules, three subscribers and one plain reader follow.
Redis is killed, comes back with what it had or with nothing, is frozen, loses its connections; one
replica is killed, Postgres is restarted. The seed rotates; it stands in the log of a failed test.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from sqlalchemy import text
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cos.db.engine import service_engine
from cos.db.redis_client import service_redis
from cos.events.subscriber import Delivery, Subscriber, SubscriberSettings
from cos.settings import Settings, load
from tests.cos.events.chaos_story import Fault, Story
from tests.cos.events.chaos_writers import Writers
from tests.cos.events.plain_reader import PlainReader
from tests.cos.events.replicas import ROOT, Replica
from tests.support.durable import DurablePostgres, DurableRedis

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

WRITERS: Final = 4
GROUPS: Final = ("first", "second", "third")
# Seconds in which everything that was committed is seen, when nothing fails any more.
PATIENCE: Final = 180.0
# A few tenths of a second, so that a test sees many losses and returns.
QUICK: Final = SubscriberSettings(pause=0.1, block=0.2, timeout=10, min_idle=20, claim_every=1)
SEEN: Final = """
    CREATE TABLE seen (
        place bigint GENERATED ALWAYS AS IDENTITY,
        group_name text, module_id uuid, sequence bigint, payload text,
        PRIMARY KEY (group_name, module_id, sequence)
    )
"""
MISSING: Final = """
    SELECT g.name, e.module_id::text, e.sequence FROM events AS e
    CROSS JOIN unnest(CAST(:groups AS text[])) AS g (name)
    LEFT JOIN seen AS s
        ON s.group_name = g.name AND s.module_id = e.module_id AND s.sequence = e.sequence
    WHERE s.place IS NULL ORDER BY 1, 2, 3 LIMIT 20
"""
OUT_OF_ORDER: Final = """
    SELECT group_name, module_id::text, sequence, before FROM (
        SELECT *, lag(sequence, 1, 0) OVER (PARTITION BY group_name, module_id ORDER BY place)
            AS before FROM seen
    ) AS s WHERE sequence <> before + 1 ORDER BY place LIMIT 20
"""
INVENTED: Final = """
    SELECT s.module_id::text, s.sequence FROM seen AS s LEFT JOIN events AS e
        ON e.module_id = s.module_id AND e.sequence = s.sequence
    WHERE e.position IS NULL LIMIT 20
"""


def _subscriber(group: str) -> type[Subscriber]:
    """Return a subscriber that writes down what it sees, in the transaction of its progress."""

    class Following(Subscriber):
        settings = QUICK
        start = "beginning"

        async def handle(self, delivery: Delivery) -> None:
            event = delivery.event
            await delivery.session.execute(
                text(
                    "INSERT INTO seen (group_name, module_id, sequence, payload)"
                    " VALUES (:group, :module, :sequence, :payload)"
                ),
                {
                    "group": self.group,
                    "module": event.module_id,
                    "sequence": event.sequence,
                    "payload": str(event.payload),
                },
            )

    Following.group = group
    return Following


@dataclass
class World:
    """The servers, and the replicas on them."""

    postgres: DurablePostgres
    redis: DurableRedis
    replicas: list[Replica]
    settings: Settings


@pytest.fixture
def world() -> Iterator[World]:
    """Servers of this test's own, migrated, with two replicas."""
    # Not tmp_path: the servers' user must reach it.
    with tempfile.TemporaryDirectory(prefix="cos-chaos-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        postgres, redis = DurablePostgres(folder / "postgres"), DurableRedis(folder / "redis")
        for server in (postgres, redis):
            stack.callback(server.close)
            server.start()
        environment = {"DATABASE_URL": postgres.url, "REDIS_URL": redis.url}
        subprocess.run(
            [sys.executable, "-m", "cos", "migrate"],
            cwd=ROOT,
            env=environment,
            check=True,
            capture_output=True,
        )
        replicas = [Replica(name, folder, environment) for name in ("steady", "mortal")]
        for replica in replicas:
            stack.callback(replica.close)
            replica.start()
        settings = load(Settings).model_copy(
            update={
                "database_url": SecretStr(postgres.url.replace("://", "+psycopg://")),
                "redis_url": SecretStr(redis.url),
                "database_pool_size": 40,
            }
        )
        yield World(postgres, redis, replicas, settings)


@pytest.fixture
async def sessions(world: World) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Sessions for writers, subscribers and the looks of the test."""
    engine = service_engine(world.settings)
    async with engine.begin() as connection:
        await connection.execute(text(SEEN))
    yield async_sessionmaker(engine, expire_on_commit=False)
    await engine.dispose()


async def _strike(fault: Fault, world: World, writers: Writers, story: Story) -> None:
    """Let a fault happen, and end it when enough was written in spite of it."""
    await writers.reach(fault.at)
    story.tell(f"{writers.committed}: {fault.kind}, for {fault.lasts} changes")
    until = writers.committed + fault.lasts
    redis, mortal = world.redis, world.replicas[1]
    match fault.kind:
        case "Redis is killed and comes back with what it had":
            redis.kill()
            await writers.reach(until)
            await asyncio.to_thread(redis.start)
        case "Redis is killed and comes back empty":
            redis.kill()
            redis.lose_everything()
            await writers.reach(until)
            await asyncio.to_thread(redis.start)
        case "Redis is frozen for a while":
            redis.freeze()
            await writers.reach(until)
            redis.thaw()
        case "every connection to Redis is reset":
            await asyncio.to_thread(redis.cut_connections)
        case "a replica is killed and another one takes its place":
            mortal.kill()
            await writers.reach(until)
            mortal.start()
        case "Postgres is restarted":
            await asyncio.to_thread(world.postgres.stop)
            await asyncio.to_thread(world.postgres.start)
    story.tell(f"{writers.committed}: over")


async def _until_all_is_seen(
    sessions: async_sessionmaker[AsyncSession], reader: PlainReader, story: Story
) -> None:
    clock = asyncio.get_running_loop().time
    deadline = clock() + PATIENCE
    while clock() < deadline:
        with contextlib.suppress(OperationalError, InterfaceError):
            missing = await _rows(sessions, MISSING, groups=list(GROUPS))
            newest = await _rows(
                sessions, "SELECT module_id::text, max(sequence) FROM events GROUP BY 1"
            )
            if not missing and dict(newest) == reader.seen:
                return
        reader.took.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(reader.took.wait(), 0.2)
    story.tell(f"missing after {PATIENCE:.0f} s: {missing}")


async def _rows(
    sessions: async_sessionmaker[AsyncSession], statement: str, **values: Any
) -> list[tuple[Any, ...]]:
    async with sessions() as session:
        return [tuple(row) for row in await session.execute(text(statement), values)]


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize(
    ("changes", "rounds"), [(1_000, 1), pytest.param(20_000, 10, marks=pytest.mark.soak)]
)
async def test_every_committed_change_is_seen_in_order_whatever_fails(
    world: World, sessions: async_sessionmaker[AsyncSession], changes: int, rounds: int
) -> None:
    story = Story(random.SystemRandom().randrange(10**9), changes, rounds)
    # At once: a run that hangs is stopped, and its seed is wanted all the same.
    sys.stdout.write(f"{story}\n")
    writers = Writers(sessions, story.seed, changes)
    stop = asyncio.Event()
    redis = service_redis(world.settings)
    plain = Redis.from_url(
        world.redis.url,
        decode_responses=True,
        socket_timeout=2,
        retry=Retry(NoBackoff(), 0),
    )
    reader = PlainReader(plain)
    following = [_subscriber(group)(sessions, redis) for group in GROUPS]
    tasks = [asyncio.create_task(one.run(stop)) for one in following]
    tasks.append(asyncio.create_task(reader.read(stop)))
    writing = asyncio.gather(*(writers.write(number) for number in range(WRITERS)))
    for fault in story.faults():
        await _strike(fault, world, writers, story)
    await writing
    story.tell(f"{writers.committed}: all is written, {writers.lost} outcomes are not known")
    await _until_all_is_seen(sessions, reader, story)
    stop.set()
    await asyncio.gather(*tasks)
    story.tell(
        f"facts: {[one.facts for one in following]}; dropped by the reader: {reader.dropped}"
    )
    await redis.aclose()
    await plain.aclose()
    told = await _rows(sessions, "SELECT count(*) FROM events")
    payloads = await _rows(sessions, "SELECT payload FROM seen")
    sys.stdout.write(f"{story}\n")

    assert told[0][0] >= changes * 0.9  # a few heartbeats change nothing
    assert await _rows(sessions, MISSING, groups=list(GROUPS)) == []
    assert await _rows(sessions, OUT_OF_ORDER) == []
    assert await _rows(sessions, INVENTED) == []
    assert await _rows(sessions, "SELECT reason FROM dead_letters") == []
    assert reader.gaps == []
    assert len(reader.markers) == told[0][0]
    taken_back = [f"'{marker}'" for marker in writers.taken_back]
    everything = "\n".join(payload for (payload,) in payloads)
    assert [marker for marker in taken_back if marker in everything] == []
    assert len(taken_back) > 0
