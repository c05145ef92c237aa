"""Who is silent is announced once, whatever number of watchers there is and whatever dies."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session

from cos.models import HealthReason, HealthRecord, HealthState, HealthStatus, Module, OutboxEvent
from cos.services import health, modules, watcher
from cos.services.health import Heartbeat
from cos.services.state_changes import lock
from cos.services.watcher import Watcher, announce_silent
from tests.cos.commands import ROOT, serving
from tests.cos.factories import HealthStatusFactory, ModuleFactory
from tests.cos.waiting import until, until_somebody_waits
from tests.support.waiting import wait_until

NOW = datetime(2030, 5, 1, 12, tzinfo=UTC)
LIMIT = timedelta(seconds=60)
MOMENT = timedelta(microseconds=1)
HEALTHY, DEGRADED, OFFLINE, UNKNOWN = HealthState


def _ago(*, seconds: int) -> ColumnElement[datetime]:
    return func.now() - timedelta(seconds=seconds)


def _told(session: Session) -> list[dict[str, Any]]:
    return list(session.scalars(select(OutboxEvent.payload).order_by(OutboxEvent.position)))


def _told_now(session: Session) -> list[dict[str, Any]]:
    session.rollback()
    return _told(session)


async def _watch(
    sessions: async_sessionmaker[AsyncSession], *, now: datetime | None = NOW, limit: int = 500
) -> int:
    async with sessions.begin() as session:
        return await announce_silent(session, offline_after=LIMIT, limit=limit, now=now)


async def test_a_silent_module_is_announced_once_with_a_record(
    sessions: async_sessionmaker[AsyncSession], db_session: Session
) -> None:
    heard = NOW - LIMIT - MOMENT
    status = HealthStatusFactory.create(
        degraded=True, module__last_active=heard, module__state=DEGRADED
    )
    counts = [await _watch(sessions) for _ in range(2)]
    record = db_session.scalars(select(HealthRecord)).one()
    module = db_session.get_one(Module, status.module_id, populate_existing=True)
    db_session.refresh(status)

    assert counts == [1, 0]
    assert _told(db_session) == [
        {
            "status": "offline",
            "previous": "degraded",
            "reason": "silence",
            "details": {"silent_since": heard.isoformat()},
        }
    ]
    assert (record.at, record.status, record.previous) == (NOW, OFFLINE, DEGRADED)
    assert record.reason is HealthReason.SILENCE
    assert (module.state, module.event_sequence, module.last_active) == (OFFLINE, 1, heard)
    # The module's own last words stay what they were.
    assert (status.status, status.last_updated) != (OFFLINE, NOW)


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ({"last_active": NOW - LIMIT}, 0),
        ({"last_active": NOW - LIMIT - MOMENT}, 1),
        ({"last_active": NOW + LIMIT}, 0),
        ({"created_at": NOW - LIMIT}, 0),
        ({"created_at": NOW - LIMIT - MOMENT}, 1),
        ({"created_at": NOW - 9 * LIMIT, "last_active": NOW}, 0),
        ({"last_active": NOW - 9 * LIMIT, "active": False}, 0),
        ({"last_active": NOW - 9 * LIMIT, "state": OFFLINE}, 0),
    ],
    ids=str,
)
async def test_silence_is_counted_from_the_last_heartbeat_or_the_registration(
    sessions: async_sessionmaker[AsyncSession], module: dict[str, Any], expected: int
) -> None:
    await ModuleFactory.acreate(**module)

    assert await _watch(sessions) == expected


async def test_what_the_watcher_announced_is_what_the_interface_tells(
    sessions: async_sessionmaker[AsyncSession], db_session: Session
) -> None:
    for seconds in (0, 59, 60, 61, 3_600):
        for state in (HEALTHY, DEGRADED, UNKNOWN, OFFLINE):
            HealthStatusFactory.create(
                status=state,
                module__state=state,
                module__last_active=NOW - timedelta(seconds=seconds),
            )
        ModuleFactory.create(created_at=NOW - timedelta(seconds=seconds))
    await _watch(sessions)
    announced = dict(db_session.execute(select(Module.id, Module.state)).all())
    async with sessions() as session:
        told = {
            module_id: (
                await health.of_module(session, module_id, offline_after=LIMIT, now=NOW)
            ).status
            for module_id in announced
        }
        system = await health.of_system(session, offline_after=LIMIT, now=NOW)

    assert announced == told
    assert {state: list(told.values()).count(state) for state in HealthState} == system.modules


async def test_the_next_heartbeat_announces_the_module_back(
    sessions: async_sessionmaker[AsyncSession], db_session: Session
) -> None:
    module = ModuleFactory.create(last_active=NOW - 2 * LIMIT, state=HEALTHY)
    await _watch(sessions)
    async with sessions.begin() as session:
        await health.beat(session, module.id, Heartbeat(), now=NOW)

    assert [(told["status"], told["previous"], told["reason"]) for told in _told(db_session)] == [
        ("offline", "healthy", "silence"),
        ("healthy", "offline", "heartbeat"),
    ]


async def test_a_module_that_is_not_active_keeps_its_state_and_is_watched_again_afterwards(
    sessions: async_sessionmaker[AsyncSession], db_session: Session
) -> None:
    module = ModuleFactory.create(last_active=NOW - 2 * LIMIT, state=HEALTHY)
    seen = []
    for active in (False, True):
        async with sessions.begin() as session:
            await modules.change(session, module.id, {"active": active})
        announced = await _watch(sessions)
        db_session.refresh(module)
        seen.append((announced, module.state))

    assert seen == [(0, HEALTHY), (1, OFFLINE)]


async def test_watchers_at_once_announce_every_module_exactly_once(
    sessions: async_sessionmaker[AsyncSession], db_session: Session
) -> None:
    ModuleFactory.create_batch(60, last_active=NOW - 2 * LIMIT, state=HEALTHY)

    async def watch() -> int:
        announced = 0
        while batch := await _watch(sessions, limit=7):
            announced += batch
        return announced

    await asyncio.gather(*(watch() for _ in range(6)))
    # A watcher that met only locked rows has ended: what is left is left to the next look.
    await watch()
    modules_told = db_session.scalars(select(OutboxEvent.module_id)).all()

    assert len(modules_told) == len(set(modules_told)) == 60
    assert len(db_session.scalars(select(HealthRecord)).all()) == 60
    assert set(db_session.scalars(select(OutboxEvent.sequence))) == {1}


async def test_a_module_that_somebody_holds_is_passed_over_and_nobody_waits(
    sessions: async_sessionmaker[AsyncSession],
) -> None:
    held, free = await ModuleFactory.acreate_batch(2, last_active=NOW - 2 * LIMIT)
    async with sessions.begin() as holder:
        await lock(holder, [held.id])
        counts = [await _watch(sessions), await _watch(sessions)]
    counts.append(await _watch(sessions))

    assert counts == [1, 0, 1]
    assert free.id != held.id


async def test_a_heartbeat_that_waits_for_the_watcher_sees_what_it_did(
    sessions: async_sessionmaker[AsyncSession], db_session: Session
) -> None:
    module = ModuleFactory.create(last_active=NOW - 2 * LIMIT, state=HEALTHY)

    async def beat() -> None:
        async with sessions.begin() as session:
            await health.beat(session, module.id, Heartbeat(), now=NOW)

    async with sessions.begin() as watching:
        await announce_silent(watching, offline_after=LIMIT, now=NOW)
        beating = asyncio.create_task(beat())
        await until_somebody_waits(db_session)
    await beating

    assert [(told["status"], told["previous"]) for told in _told(db_session)] == [
        ("offline", "healthy"),
        ("healthy", "offline"),
    ]


async def test_a_watcher_that_comes_after_the_heartbeat_sees_it(
    sessions: async_sessionmaker[AsyncSession], db_session: Session
) -> None:
    """The watcher's transaction is older than the heartbeat; the row under the lock is not."""
    module = ModuleFactory.create(last_active=NOW - 2 * LIMIT, state=HEALTHY)
    other = ModuleFactory.create(last_active=NOW - 2 * LIMIT, state=HEALTHY)
    async with sessions.begin() as watching:
        await watching.execute(select(func.now()))
        async with sessions.begin() as session:
            await health.beat(session, module.id, Heartbeat(), now=NOW)
        announced = await announce_silent(watching, offline_after=LIMIT, now=NOW)
    told = db_session.scalars(select(OutboxEvent.module_id)).all()

    assert (announced, list(told)) == (1, [other.id])


async def test_the_database_clock_decides_where_no_time_is_given(
    sessions: async_sessionmaker[AsyncSession],
) -> None:
    await ModuleFactory.acreate(last_active=_ago(seconds=61))
    await ModuleFactory.acreate(last_active=_ago(seconds=30))

    assert await _watch(sessions, now=None) == 1


async def test_the_job_goes_through_all_batches_and_ends_when_it_is_asked_to(
    sessions: async_sessionmaker[AsyncSession], monkeypatch: pytest.MonkeyPatch, db_session: Session
) -> None:
    monkeypatch.setattr(watcher, "BATCH", 4)
    ModuleFactory.create_batch(10, last_active=_ago(seconds=61))
    stop = asyncio.Event()
    job = asyncio.create_task(Watcher(sessions, offline_after=60, interval=3_600).run(stop))
    await until(lambda: len(_told_now(db_session)) == 10)
    stop.set()
    await job

    assert set(db_session.scalars(select(Module.state))) == {OFFLINE}


async def test_a_job_that_is_asked_to_stop_announces_nothing_more(
    sessions: async_sessionmaker[AsyncSession], db_session: Session
) -> None:
    ModuleFactory.create(last_active=_ago(seconds=61))
    stop = asyncio.Event()
    stop.set()
    await Watcher(sessions, offline_after=60, interval=3_600).run(stop)

    assert _told(db_session) == []


async def test_a_watcher_leaves_the_last_report_alone(
    sessions: async_sessionmaker[AsyncSession], db_session: Session
) -> None:
    HealthStatusFactory.create(healthy=True, module__last_active=NOW - 2 * LIMIT)
    await _watch(sessions)

    assert db_session.scalars(select(HealthStatus.status)).all() == [HEALTHY]


WATCH = """
import asyncio, sys
from datetime import timedelta
from sqlalchemy.ext.asyncio import AsyncSession
from cos.db.engine import service_engine
from cos.services.watcher import announce_silent
from cos.settings import Settings, load

async def watch():
    async with AsyncSession(service_engine(load(Settings))) as session:
        print(await announce_silent(session, offline_after=timedelta(seconds=60)), flush=True)
        sys.stdin.read()

asyncio.run(watch())
"""


@pytest.fixture
def watching() -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Starts processes that announced what is silent, and do not commit it."""
    with ExitStack() as stack:

        def start() -> subprocess.Popen[str]:
            return stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", WATCH],
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )

        yield start


@pytest.mark.slow
async def test_what_a_killed_watcher_had_in_hand_is_announced_by_another_once(
    sessions: async_sessionmaker[AsyncSession],
    db_session: Session,
    watching: Callable[[], subprocess.Popen[str]],
) -> None:
    ModuleFactory.create_batch(5, last_active=_ago(seconds=61), state=HEALTHY)
    killed = watching()
    assert killed.stdout is not None
    held = int(killed.stdout.readline())
    meanwhile = await _watch(sessions, now=None)
    killed.kill()
    counts = []

    async def all_announced() -> bool:
        counts.append(await _watch(sessions, now=None))
        return sum(counts) == 5

    async with asyncio.timeout(15):
        while not await all_announced():
            pass

    assert (held, meanwhile, len(_told(db_session))) == (5, 0, 5)


@pytest.mark.slow
def test_replicas_of_which_one_is_killed_announce_each_module_once(db_session: Session) -> None:
    ModuleFactory.create_batch(40, last_active=_ago(seconds=61), state=HEALTHY)
    with serving() as first, serving():
        wait_until(lambda: _told_now(db_session))
        first.process.kill()
        ModuleFactory.create_batch(40, last_active=_ago(seconds=61), state=HEALTHY)
        wait_until(lambda: len(_told_now(db_session)) >= 80)
    told = db_session.scalars(select(OutboxEvent.module_id)).all()

    assert len(told) == len(set(told)) == 80
    assert len(db_session.scalars(select(HealthRecord)).all()) == 80
