import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session

from cos.db.engine import service_engine
from cos.models import HealthState, HealthStatus, Module
from cos.services import health
from cos.services.errors import UnknownModuleError
from cos.services.health import Heartbeat
from cos.settings import Settings
from testkit.isolation.database import Database
from tests.cos.factories import HealthStatusFactory, ModuleFactory

NOW = datetime(2030, 5, 1, 12, 0, 0, 123_456, tzinfo=UTC)
LIMIT = timedelta(seconds=60)
HEALTHY, DEGRADED, OFFLINE, UNKNOWN = HealthState


async def _reported(
    state: HealthState, *, ago: timedelta = timedelta(0), **fields: object
) -> Module:
    status = await HealthStatusFactory.acreate(
        status=state, module__last_active=NOW - ago, **fields
    )
    return status.module


async def test_a_heartbeat_is_stored_with_its_time(
    async_db_session: AsyncSession, db_session: Session
) -> None:
    module = ModuleFactory.create()
    await health.beat(
        async_db_session, module.id, Heartbeat(DEGRADED, {"queue": [7, None]}), now=NOW
    )
    await async_db_session.commit()
    db_session.refresh(module)
    status = db_session.scalars(select(HealthStatus)).one()

    assert module.last_active == NOW
    assert (status.module_id, status.status, status.last_updated) == (module.id, DEGRADED, NOW)
    assert status.details == {"queue": [7, None]}


async def test_a_heartbeat_replaces_the_one_before(
    async_db_session: AsyncSession, db_session: Session
) -> None:
    status = HealthStatusFactory.create(degraded=True, details={"queue": 7})
    await health.beat(async_db_session, status.module_id, Heartbeat(), now=NOW)
    await async_db_session.commit()
    db_session.expire_all()
    stored = db_session.scalars(select(HealthStatus)).one()

    assert stored.id == status.id
    assert (stored.status, stored.details, stored.last_updated) == (HEALTHY, {}, NOW)


async def test_a_heartbeat_is_no_change_of_the_module(
    async_db_session: AsyncSession, db_session: Session
) -> None:
    module = ModuleFactory.create()
    updated_at = module.updated_at
    await health.beat(async_db_session, module.id, Heartbeat())
    await async_db_session.commit()
    db_session.refresh(module)

    assert module.updated_at == updated_at


async def test_a_heartbeat_has_the_time_of_the_database(
    async_db_session: AsyncSession, db_session: Session
) -> None:
    module = ModuleFactory.create()
    before = db_session.scalars(select(func.clock_timestamp())).one()
    await health.beat(async_db_session, module.id, Heartbeat())
    await async_db_session.commit()
    after = db_session.scalars(select(func.clock_timestamp())).one()
    db_session.refresh(module)

    assert module.last_active is not None
    assert before <= module.last_active <= after


async def test_a_heartbeat_of_an_unknown_module_is_refused(async_db_session: AsyncSession) -> None:
    unknown = uuid.uuid4()

    with pytest.raises(UnknownModuleError, match=str(unknown)):
        await health.beat(async_db_session, unknown, Heartbeat())


async def test_first_heartbeats_at_the_same_moment_leave_one_report(
    settings: Settings, db_session: Session
) -> None:
    module_id = ModuleFactory.create().id
    engine = service_engine(settings)
    sessions = async_sessionmaker(engine)

    async def beat(number: int) -> None:
        async with sessions.begin() as session:
            await health.beat(session, module_id, Heartbeat(details={"number": number}))

    await asyncio.gather(*map(beat, range(8)))
    await engine.dispose()

    assert db_session.scalar(select(func.count()).select_from(HealthStatus)) == 1


@pytest.mark.parametrize("state", HealthState)
async def test_a_module_that_was_just_heard_is_what_it_reported(
    async_db_session: AsyncSession, state: HealthState
) -> None:
    module = await _reported(state)
    found = await health.of_module(async_db_session, module.id, offline_after=LIMIT, now=NOW)

    assert (found.status, found.reported, found.checked_at) == (state, state, NOW)
    assert (found.module_id, found.name, found.last_heartbeat) == (module.id, module.name, NOW)


@pytest.mark.parametrize(
    ("silence", "expected"),
    [
        (timedelta(seconds=59), HEALTHY),
        (timedelta(seconds=60), HEALTHY),
        (timedelta(seconds=60, microseconds=1), OFFLINE),
        (timedelta(days=400), OFFLINE),
        (timedelta(seconds=-5), HEALTHY),
    ],
)
async def test_a_module_is_offline_when_it_was_silent_for_longer_than_the_limit(
    async_db_session: AsyncSession, silence: timedelta, expected: HealthState
) -> None:
    module = await _reported(HEALTHY, ago=silence)
    found = await health.of_module(async_db_session, module.id, offline_after=LIMIT, now=NOW)

    assert (found.status, found.reported) == (expected, HEALTHY)


@pytest.mark.parametrize(("age", "expected"), [(10, UNKNOWN), (61, OFFLINE)])
async def test_a_module_that_never_sent_a_heartbeat_is_judged_by_its_age(
    async_db_session: AsyncSession, age: int, expected: HealthState
) -> None:
    module = await ModuleFactory.acreate(created_at=NOW - timedelta(seconds=age))
    found = await health.of_module(async_db_session, module.id, offline_after=LIMIT, now=NOW)

    assert (found.status, found.reported, found.last_heartbeat) == (expected, None, None)
    assert found.details == {}


async def test_the_database_clock_judges_when_no_time_is_given(
    async_db_session: AsyncSession,
) -> None:
    module = await ModuleFactory.acreate(created_at=datetime(2020, 1, 1, tzinfo=UTC))
    await health.beat(async_db_session, module.id, Heartbeat())
    found = await health.of_module(async_db_session, module.id, offline_after=LIMIT)

    assert found.status is HEALTHY
    assert found.checked_at == found.last_heartbeat


async def test_the_health_of_an_unknown_module_is_refused(async_db_session: AsyncSession) -> None:
    with pytest.raises(UnknownModuleError):
        await health.of_module(async_db_session, uuid.uuid4(), offline_after=LIMIT)


async def test_a_system_without_modules_is_unknown(async_db_session: AsyncSession) -> None:
    found = await health.of_system(async_db_session, offline_after=LIMIT, now=NOW)

    assert (found.status, found.checked_at) == (UNKNOWN, NOW)
    assert found.modules == {HEALTHY: 0, DEGRADED: 0, OFFLINE: 0, UNKNOWN: 0}


async def test_the_system_counts_its_modules_by_their_state_now(
    async_db_session: AsyncSession,
) -> None:
    await _reported(HEALTHY)
    await _reported(HEALTHY, ago=timedelta(minutes=5))
    await _reported(DEGRADED)
    await ModuleFactory.acreate(created_at=NOW)
    found = await health.of_system(async_db_session, offline_after=LIMIT, now=NOW)

    assert found.modules == {HEALTHY: 1, DEGRADED: 1, OFFLINE: 1, UNKNOWN: 1}
    assert found.status is DEGRADED


async def test_inactive_modules_do_not_count(async_db_session: AsyncSession) -> None:
    await _reported(HEALTHY)
    await _reported(OFFLINE, module__inactive=True)
    found = await health.of_system(async_db_session, offline_after=LIMIT, now=NOW)

    assert found.status is HEALTHY
    assert sum(found.modules.values()) == 1


async def test_a_system_that_is_healthy_goes_offline_when_time_passes(
    async_db_session: AsyncSession,
) -> None:
    await _reported(HEALTHY)
    await _reported(HEALTHY)
    states = [
        (await health.of_system(async_db_session, offline_after=LIMIT, now=NOW + passed)).status
        for passed in (timedelta(0), LIMIT, LIMIT * 2)
    ]

    assert states == [HEALTHY, HEALTHY, OFFLINE]


async def test_a_report_of_before_the_history_and_of_another_limit_counts_as_it_is_told(
    async_db_session: AsyncSession,
) -> None:
    await _reported(HEALTHY)
    await _reported(DEGRADED, module__state=OFFLINE)
    await _reported(UNKNOWN, module__state=OFFLINE)
    await _reported(OFFLINE, module__state=OFFLINE)
    await _reported(OFFLINE, module__state=UNKNOWN)
    found = await health.of_system(async_db_session, offline_after=LIMIT, now=NOW)

    assert found.modules == {HEALTHY: 1, DEGRADED: 1, OFFLINE: 2, UNKNOWN: 1}


async def test_the_health_of_the_system_is_one_statement_over_the_modules_alone(
    async_db_session: AsyncSession, database: Database
) -> None:
    for state in HealthState:
        await _reported(state)
    with database.queries.record() as asked:
        await health.of_system(async_db_session, offline_after=LIMIT, now=NOW)
    (fact,) = asked

    assert "health_records" not in fact.statement
    assert "details" not in fact.statement


async def test_who_is_not_healthy_is_listed_as_it_is_judged_oldest_first(
    async_db_session: AsyncSession,
) -> None:
    await _reported(HEALTHY)
    await _reported(OFFLINE, module__inactive=True)
    # Announced by a watcher with another limit: it is healthy all the same.
    await _reported(HEALTHY, module__state=OFFLINE)
    silent = await _reported(HEALTHY, ago=LIMIT * 2, module__created_at=NOW - LIMIT * 9)
    degraded = await _reported(DEGRADED, module__created_at=NOW - LIMIT * 8)
    new = await ModuleFactory.acreate(created_at=NOW)
    expected = [(silent.id, OFFLINE), (degraded.id, DEGRADED), (new.id, UNKNOWN)]
    found = await health.not_healthy(async_db_session, offline_after=LIMIT, limit=9, now=NOW)
    first = await health.not_healthy(async_db_session, offline_after=LIMIT, limit=1, now=NOW)

    assert [(module.module_id, module.status) for module in found] == expected
    assert [module.module_id for module in first] == [silent.id]
