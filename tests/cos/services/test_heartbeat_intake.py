"""Heartbeats over a real Redis into a real Postgres, with what goes wrong between them."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from uuid import UUID, uuid4

import pytest
from redis import Redis
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session

from cos.db.redis_client import service_redis
from cos.models import HealthRecord, HealthState, HealthStatus, Module, OutboxEvent
from cos.services import health, heartbeat_intake
from cos.services.health import Heartbeat
from cos.services.heartbeat_intake import GROUP, STREAM, HeartbeatIntake
from cos.settings import Settings
from tests.cos.commands import serving
from tests.cos.factories import ModuleFactory
from tests.cos.waiting import until
from tests.support.waiting import wait_until

Working = Callable[[], AbstractAsyncContextManager[HeartbeatIntake]]
HEALTHY, DEGRADED, OFFLINE, UNKNOWN = HealthState
CUT = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE application_name = 'cos' AND datname = current_database()"
)


@pytest.fixture
def working(
    settings: Settings,
    sessions: async_sessionmaker[AsyncSession],
    monkeypatch: pytest.MonkeyPatch,
) -> Working:
    """An intake at work; at the end it is asked to stop and waited for."""
    monkeypatch.setattr(heartbeat_intake, "LOST_PAUSE", 0.01)
    monkeypatch.setattr(heartbeat_intake, "CLAIM_INTERVAL", 0.01)

    @asynccontextmanager
    async def work() -> AsyncIterator[HeartbeatIntake]:
        client = service_redis(settings)
        intake = HeartbeatIntake(
            sessions, client, offline_after=60, redis_timeout=0.02, claim_after=0
        )
        stop = asyncio.Event()
        job = asyncio.create_task(intake.run(stop))
        try:
            yield intake
        finally:
            stop.set()
            await job
            await client.aclose()

    return work


def _append(
    redis: Redis,
    module_id: UUID,
    status: HealthState = HEALTHY,
    *,
    entry: str = "*",
    **details: object,
) -> bytes:
    fields = {"module": str(module_id), "status": status.value, "details": json.dumps(details)}
    entry_id = redis.xadd(STREAM, fields, id=entry)  # type: ignore[arg-type]  # str to str
    assert isinstance(entry_id, bytes)
    return entry_id


def _milliseconds(*, ago: float = 0) -> int:
    return int((time.time() - ago) * 1000)


def _records(session: Session) -> Sequence[HealthRecord]:
    session.rollback()
    return session.scalars(
        select(HealthRecord).order_by(HealthRecord.at).execution_options(populate_existing=True)
    ).all()


def _counted(intake: HeartbeatIntake, number: int) -> Callable[[], bool]:
    return lambda: intake.outcomes.total() >= number


async def test_what_is_appended_is_stored_and_leaves_the_stream(
    working: Working, redis_client: Redis, db_session: Session
) -> None:
    first, second = (module.id for module in ModuleFactory.create_batch(2))
    _append(redis_client, first, DEGRADED, queue=7)
    async with working() as intake:
        await until(_counted(intake, 1))
        _append(redis_client, first)
        _append(redis_client, second)
        await until(_counted(intake, 3))
        await until(lambda: redis_client.xlen(STREAM) == 0)
    records = _records(db_session)
    states = dict(db_session.execute(select(Module.id, Module.state)).all())
    reports = db_session.scalars(select(HealthStatus.status)).all()

    assert [(row.module_id, row.status) for row in records] == [
        (first, DEGRADED),
        (first, HEALTHY),
        (second, HEALTHY),
    ]
    assert records[0].details == {"queue": 7}
    assert states == {first: HEALTHY, second: HEALTHY}
    assert reports == [HEALTHY, HEALTHY]
    assert intake.outcomes == {"stored": 3}


async def test_what_is_no_heartbeat_is_counted_logged_once_and_dropped(
    working: Working, redis_client: Redis, db_session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    known = ModuleFactory.create().id
    for number in range(30):
        redis_client.xadd(STREAM, {"module": f"none {number}"})
        _append(redis_client, uuid4())
    redis_client.xadd(STREAM, {"module": str(known), "details": '{"secret": NaN}'})
    _append(redis_client, known)
    with caplog.at_level(logging.WARNING):
        async with working() as intake:
            await until(_counted(intake, 62))
            await until(lambda: redis_client.xlen(STREAM) == 0)
    lines = [record.getMessage() for record in caplog.records]

    assert intake.outcomes == {"malformed": 31, "unknown": 30, "stored": 1}
    assert len(lines) == 1
    assert lines[0].startswith("heartbeats over Redis were dropped, 1 since the last such line")
    assert lines[0].endswith("the field module is no UUID")
    assert len(_records(db_session)) == 1


async def test_what_is_delivered_twice_is_stored_once(
    working: Working, redis_client: Redis, db_session: Session
) -> None:
    module_id = ModuleFactory.create().id
    first, second = f"{_milliseconds()}-0", f"{_milliseconds()}-1"
    async with working() as intake:
        for entries in [(first, second), (first, second), (second,)]:
            redis_client.delete(STREAM)
            seen = intake.outcomes.total()
            _append_all(redis_client, module_id, entries)
            await until(_counted(intake, seen + len(entries)))
    events = db_session.scalar(select(func.count()).select_from(OutboxEvent))

    assert len(_records(db_session)) == 2
    assert events == 2


def _append_all(redis: Redis, module_id: UUID, entries: Sequence[str]) -> None:
    """Append healthy as the first and degraded as the second, at once."""
    with redis.pipeline(transaction=True) as pipeline:
        for entry in entries:
            status = HEALTHY if entry.endswith("-0") else DEGRADED
            pipeline.xadd(STREAM, {"module": str(module_id), "status": status.value}, id=entry)
        pipeline.execute()


async def test_an_older_heartbeat_never_overwrites_a_newer_one(
    working: Working,
    redis_client: Redis,
    sessions: async_sessionmaker[AsyncSession],
    db_session: Session,
) -> None:
    module = ModuleFactory.create()
    _append(redis_client, module.id, DEGRADED, entry=f"{_milliseconds(ago=5)}-0")
    async with sessions.begin() as session:
        await health.beat(session, module.id, Heartbeat(HEALTHY))
    async with working() as intake:
        await until(_counted(intake, 1))
    records = _records(db_session)
    db_session.refresh(module)
    status = db_session.scalars(select(HealthStatus)).one()

    assert [row.status for row in records] == [DEGRADED, HEALTHY]
    assert (module.state, status.status) == (HEALTHY, HEALTHY)
    assert module.last_active == records[1].at


async def test_a_heartbeat_from_too_long_ago_does_not_bring_a_module_back(
    working: Working, redis_client: Redis, db_session: Session
) -> None:
    module = ModuleFactory.create(state=OFFLINE)
    _append(redis_client, module.id, HEALTHY, entry=f"{_milliseconds(ago=300)}-0")
    async with working() as intake:
        await until(_counted(intake, 1))
    db_session.refresh(module)

    assert module.state is OFFLINE
    assert module.last_active is not None
    assert len(_records(db_session)) == 1


async def test_what_a_crashed_replica_had_in_hand_is_taken_over(
    working: Working, redis_client: Redis, db_session: Session
) -> None:
    module_id = ModuleFactory.create().id
    redis_client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    for _ in range(3):
        _append(redis_client, module_id)
    redis_client.xreadgroup(GROUP, uuid4().hex, {STREAM: ">"}, count=3)
    async with working() as intake:
        await until(_counted(intake, 3))
        await until(lambda: redis_client.xlen(STREAM) == 0)

    assert len(_records(db_session)) == 3


async def test_replicas_share_the_stream_and_each_heartbeat_is_stored_once(
    working: Working, redis_client: Redis, db_session: Session
) -> None:
    ids = [module.id for module in ModuleFactory.create_batch(5)]
    with redis_client.pipeline(transaction=False) as pipeline:
        for number in range(500):
            pipeline.xadd(STREAM, {"module": str(ids[number % 5])})
        async with working() as first, working() as second:
            await asyncio.to_thread(pipeline.execute)
            await until(lambda: (first.outcomes + second.outcomes).total() >= 500)
    last = db_session.execute(select(Module.id, Module.last_active)).all()
    newest = db_session.execute(
        select(HealthRecord.module_id, func.max(HealthRecord.at)).group_by(HealthRecord.module_id)
    ).all()

    assert len(_records(db_session)) == 500
    assert sorted(map(tuple, last)) == sorted(map(tuple, newest))
    assert db_session.scalar(select(func.count()).select_from(OutboxEvent)) == 5


async def test_a_lost_postgres_is_waited_for_and_nothing_is_lost(
    working: Working, redis_client: Redis, db_session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    module_id = ModuleFactory.create().id
    db_session.execute(text("ALTER TABLE modules RENAME TO elsewhere"))
    db_session.commit()
    with caplog.at_level(logging.WARNING):
        async with working() as intake:
            for _ in range(3):
                _append(redis_client, module_id)
            await until(lambda: "heartbeats over Redis wait" in caplog.text)
            db_session.execute(text("ALTER TABLE elsewhere RENAME TO modules"))
            db_session.commit()
            await until(_counted(intake, 3))

    assert len(_records(db_session)) == 3
    assert len(caplog.records) == 1


async def test_connections_that_are_cut_are_made_again(
    working: Working, redis_client: Redis, db_session: Session
) -> None:
    module_id = ModuleFactory.create().id
    async with working() as intake:
        for number in range(1, 4):
            for client in redis_client.client_list():
                if client["name"] == "cos":
                    redis_client.client_kill_filter(_id=client["id"])
            db_session.execute(CUT)
            db_session.rollback()
            _append(redis_client, module_id)
            await until(_counted(intake, number))

    assert len(_records(db_session)) == 3


async def test_a_redis_that_lost_everything_is_joined_again(
    working: Working, redis_client: Redis, db_session: Session
) -> None:
    module_id = ModuleFactory.create().id
    async with working() as intake:
        _append(redis_client, module_id)
        await until(_counted(intake, 1))
        redis_client.delete(STREAM)
        _append(redis_client, module_id)
        await until(_counted(intake, 2))

    assert len(_records(db_session)) == 2


async def test_a_redis_that_is_not_there_is_waited_for(
    settings: Settings,
    sessions: async_sessionmaker[AsyncSession],
    closed_port: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    away = settings.model_copy(
        update={"redis_url": type(settings.redis_url)(f"redis://127.0.0.1:{closed_port}")}
    )
    client = service_redis(away)
    stop = asyncio.Event()
    job = asyncio.create_task(
        HeartbeatIntake(sessions, client, offline_after=60, redis_timeout=0.1).run(stop)
    )
    await until(lambda: "heartbeats over Redis wait, 1 times" in caplog.text)
    stop.set()
    await job
    await client.aclose()

    assert "keeps this replica's name" not in caplog.text


async def test_a_heartbeat_that_only_the_database_refuses_holds_up_no_other(
    working: Working, redis_client: Redis, db_session: Session
) -> None:
    bad, good = (module.id for module in ModuleFactory.create_batch(2))
    db_session.execute(text(f"ALTER TABLE health_records ADD CHECK (module_id <> '{bad}')"))
    db_session.commit()
    for module_id in (good, bad, good):
        _append(redis_client, module_id)
    async with working() as intake:
        await until(_counted(intake, 3))
        await until(lambda: redis_client.xlen(STREAM) == 0)

    assert intake.outcomes == {"stored": 2, "malformed": 1}
    assert {row.module_id for row in _records(db_session)} == {good}


async def test_who_stops_leaves_no_name_behind_unless_something_is_in_hand(
    working: Working, redis_client: Redis
) -> None:
    async with working():
        await until(lambda: redis_client.exists(STREAM))
        await until(lambda: redis_client.xinfo_consumers(STREAM, GROUP))
        _append(redis_client, uuid4())
        dead = uuid4().hex
        redis_client.xreadgroup(GROUP, dead, {STREAM: ">"})

    assert len(redis_client.xinfo_consumers(STREAM, GROUP)) <= 1


@pytest.mark.slow
def test_a_served_control_center_takes_heartbeats_over_redis_and_dies_without_losing_one(
    redis_client: Redis, db_session: Session
) -> None:
    ids = [module.id for module in ModuleFactory.create_batch(4)]
    with serving() as killed, serving():
        wait_until(lambda: redis_client.exists(STREAM))
        for number in range(100):
            _append(redis_client, ids[number % 4])
        wait_until(lambda: _records(db_session))
        killed.process.kill()
        for number in range(100):
            _append(redis_client, ids[number % 4])
        wait_until(lambda: len(_records(db_session)) + _in_hand(redis_client) >= 200)

    assert len(_records(db_session)) + _in_hand(redis_client) >= 200


def _in_hand(redis: Redis) -> int:
    pending = redis.xpending(STREAM, GROUP)
    assert isinstance(pending, dict)
    return int(pending["pending"])
