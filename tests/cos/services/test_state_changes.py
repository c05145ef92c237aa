"""What a heartbeat stores and announces, what it costs, and whom it waits for."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session

from cos.models import HealthReason, HealthRecord, HealthState, HealthStatus, Module, OutboxEvent
from cos.services import health, modules
from cos.services.health import Heartbeat
from cos.services.state_changes import lock, store
from cos.services.transitions import Heard, hear
from testkit.isolation.database import Database
from tests.cos.factories import ModuleFactory

NOW = datetime(2030, 5, 1, 12, 0, 0, 123_456, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HEALTHY, DEGRADED, OFFLINE, UNKNOWN = HealthState
HOT = text("SELECT pg_stat_get_xact_tuples_hot_updated('modules'::regclass)")


def _records(session: Session) -> Sequence[HealthRecord]:
    return session.scalars(select(HealthRecord).order_by(HealthRecord.id)).all()


def _told(session: Session) -> list[dict[str, Any]]:
    rows = session.scalars(select(OutboxEvent).order_by(OutboxEvent.position))
    return [{"sequence": row.sequence, **row.payload} for row in rows]


async def test_each_heartbeat_is_recorded_and_only_a_change_is_announced(
    async_db_session: AsyncSession, db_session: Session
) -> None:
    module = ModuleFactory.create()
    given = [(HEALTHY, {}), (HEALTHY, {"queue": 7}), (DEGRADED, {"queue": 9}), (HEALTHY, {})]
    for number, (status, details) in enumerate(given):
        await health.beat(
            async_db_session, module.id, Heartbeat(status, details), now=NOW + number * SECOND
        )
    await async_db_session.commit()
    records = _records(db_session)
    db_session.refresh(module)

    assert [(row.at, row.status, row.previous, row.details) for row in records] == [
        (NOW, HEALTHY, UNKNOWN, {}),
        (NOW + SECOND, HEALTHY, HEALTHY, {"queue": 7}),
        (NOW + 2 * SECOND, DEGRADED, HEALTHY, {"queue": 9}),
        (NOW + 3 * SECOND, HEALTHY, DEGRADED, {}),
    ]
    assert {row.reason for row in records} == {HealthReason.HEARTBEAT}
    assert [(told["sequence"], told["status"], told["previous"]) for told in _told(db_session)] == [
        (1, "healthy", "unknown"),
        (2, "degraded", "healthy"),
        (3, "healthy", "degraded"),
    ]
    assert _told(db_session)[1]["details"] == {"queue": 9}
    assert _told(db_session)[1]["reason"] == "heartbeat"
    assert (module.state, module.event_sequence, module.last_active) == (
        HEALTHY,
        3,
        NOW + 3 * SECOND,
    )


async def test_heartbeats_of_one_moment_are_told_apart(
    async_db_session: AsyncSession, db_session: Session
) -> None:
    module = ModuleFactory.create()
    for status in (DEGRADED, HEALTHY):
        await health.beat(async_db_session, module.id, Heartbeat(status), now=NOW)
    await async_db_session.commit()
    first, second = _records(db_session)
    last = db_session.scalars(select(HealthStatus)).one()

    assert second.at - first.at == timedelta(microseconds=1)
    assert (last.status, last.last_updated) == (HEALTHY, second.at)


async def test_a_heartbeat_is_two_statements_and_a_third_where_it_announces(
    async_db_session: AsyncSession, database: Database
) -> None:
    module_id = (await ModuleFactory.acreate()).id
    numbers = []
    for number in range(2):
        with database.queries.record() as asked:
            await health.beat(async_db_session, module_id, Heartbeat(), now=NOW + number * SECOND)
            await async_db_session.commit()
        numbers.append(len(asked))

    assert numbers == [3, 2]


async def test_a_batch_costs_no_more_statements_than_one(
    async_db_session: AsyncSession, database: Database
) -> None:
    ids = [(await ModuleFactory.acreate()).id for _ in range(20)]
    with database.queries.expect(exactly=3):
        found = await lock(async_db_session, ids)
        heard = [
            (module, hear(module.known, [Heard(NOW, HEALTHY)], silent_before=NOW))
            for module in found.values()
        ]
        await store(async_db_session, heard)
        await async_db_session.commit()

    assert len(heard) == 20


async def test_a_heartbeat_that_changes_no_state_touches_no_index_of_the_modules(
    sessions: async_sessionmaker[AsyncSession],
) -> None:
    module_id = (await ModuleFactory.acreate()).id
    updated = []
    for status in (DEGRADED, DEGRADED, HEALTHY):
        async with sessions.begin() as session:
            before = await session.scalar(HOT)
            await health.beat(session, module_id, Heartbeat(status))
            updated.append((await session.scalar(HOT) or 0) - (before or 0))

    assert updated == [0, 1, 0]


async def test_nothing_to_store_asks_nothing(
    async_db_session: AsyncSession, database: Database
) -> None:
    with database.queries.expect(exactly=0):
        await store(async_db_session, [])

    assert not async_db_session.new


async def test_a_heartbeat_that_is_rolled_back_was_never_there(
    async_db_session: AsyncSession, db_session: Session
) -> None:
    module = ModuleFactory.create()
    await health.beat(async_db_session, module.id, Heartbeat())
    await async_db_session.rollback()
    db_session.refresh(module)

    assert (_records(db_session), _told(db_session)) == ([], [])
    assert (module.state, module.event_sequence) == (UNKNOWN, 0)


async def test_changes_of_a_module_and_of_its_health_share_one_sequence(
    sessions: async_sessionmaker[AsyncSession], db_session: Session
) -> None:
    module_id = ModuleFactory.create().id

    async def beat(number: int) -> None:
        async with sessions.begin() as session:
            status = (HEALTHY, DEGRADED)[number % 2]
            await health.beat(session, module_id, Heartbeat(status))

    async def change(number: int) -> None:
        async with sessions.begin() as session:
            await modules.change(session, module_id, {"version": f"v{number}"})

    await asyncio.gather(*map(beat, range(10)), *map(change, range(10)))
    rows = db_session.scalars(select(OutboxEvent).order_by(OutboxEvent.position)).all()
    chain = [row.payload for row in rows if row.type == "health.changed"]
    states = ["unknown", *(payload["status"] for payload in chain)]
    times = [row.at for row in _records(db_session)]
    last = db_session.get_one(Module, module_id)

    assert [row.sequence for row in rows] == list(range(1, len(rows) + 1))
    assert [payload["previous"] for payload in chain] == states[:-1]
    assert (last.event_sequence, last.state.value) == (len(rows), states[-1])
    assert times == sorted(set(times))


async def test_batches_of_the_same_modules_do_not_wait_for_each_other_in_a_circle(
    sessions: async_sessionmaker[AsyncSession], db_session: Session
) -> None:
    ids = [module.id for module in ModuleFactory.create_batch(12)]

    async def batch(number: int) -> None:
        async with sessions.begin() as session:
            found = await lock(session, ids[::-1] if number % 2 else ids)
            at = NOW + number * SECOND
            await store(
                session,
                [
                    (module, hear(module.known, [Heard(at, HEALTHY)], silent_before=at))
                    for module in found.values()
                ],
            )

    await asyncio.gather(*map(batch, range(8)))
    states = set(db_session.scalars(select(Module.state)))

    assert states == {HEALTHY}
    assert len(_told(db_session)) == 12


async def test_the_history_of_a_removed_module_goes_with_it(
    sessions: async_sessionmaker[AsyncSession], db_session: Session
) -> None:
    module_id = ModuleFactory.create().id
    async with sessions.begin() as session:
        await health.beat(session, module_id, Heartbeat())
    async with sessions.begin() as session:
        await modules.remove(session, module_id)

    assert _records(db_session) == []
    assert [told["sequence"] for told in _told(db_session)] == [1, 2]
