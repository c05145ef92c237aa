import asyncio
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session

from cos.models import HealthReason, HealthRecord, HealthState
from cos.services import health, health_history, modules
from cos.services.errors import UnknownModuleError
from cos.services.health import Heartbeat
from cos.services.health_history import Pruning, page, prune
from cos.services.watcher import announce_silent
from tests.cos.factories import ModuleFactory
from tests.cos.waiting import until

NOW = datetime(2030, 5, 1, 12, tzinfo=UTC)
WEEK = timedelta(days=7)
MOMENT = timedelta(microseconds=1)


def _recorded(session: Session, module_id: uuid.UUID, *times: object) -> None:
    """Store a record for each time, in this order."""
    for at in times:
        session.execute(
            insert(HealthRecord).values(
                module_id=module_id,
                at=at,
                status=HealthState.HEALTHY,
                previous=HealthState.HEALTHY,
                reason=HealthReason.HEARTBEAT,
                details={},
            )
        )
    session.commit()


def _five_old() -> list[datetime]:
    return [NOW - 2 * WEEK + number * MOMENT for number in range(5)]


def _times(session: Session) -> Sequence[datetime]:
    session.rollback()
    return session.scalars(select(HealthRecord.at).order_by(HealthRecord.id)).all()


async def test_pages_are_newest_first_and_lose_and_repeat_nothing(
    async_db_session: AsyncSession, db_session: Session
) -> None:
    first, other = (module.id for module in ModuleFactory.create_batch(2))
    times = [NOW + number * WEEK for number in range(7)]
    for at in times:
        _recorded(db_session, first, at)
        _recorded(db_session, other, at)
    found: list[datetime] = []
    before: datetime | None = None
    while True:
        got = await page(async_db_session, first, limit=3, before=before)
        found += [record.at for record in got.records]
        # What is recorded meanwhile is on no page behind this one.
        _recorded(db_session, first, NOW + (10 + len(found)) * WEEK)
        if got.next is None:
            break
        before = got.next

    assert found == times[::-1]


async def test_a_page_that_is_exactly_full_is_the_last(
    async_db_session: AsyncSession, db_session: Session
) -> None:
    module_id = ModuleFactory.create().id
    _recorded(db_session, module_id, NOW, NOW + WEEK)
    got = await page(async_db_session, module_id, limit=2)

    assert (len(got.records), got.next) == (2, None)


async def test_a_module_that_was_never_heard_has_an_empty_history(
    async_db_session: AsyncSession,
) -> None:
    module_id = (await ModuleFactory.acreate()).id
    got = await page(async_db_session, module_id, limit=2)

    assert (got.records, got.next) == ([], None)


async def test_the_history_of_an_unknown_module_is_refused(async_db_session: AsyncSession) -> None:
    with pytest.raises(UnknownModuleError):
        await page(async_db_session, uuid.uuid4(), limit=2)


async def test_what_is_older_than_the_retention_is_deleted(
    async_db_session: AsyncSession, db_session: Session
) -> None:
    kept = [NOW - WEEK, NOW]
    _recorded(db_session, ModuleFactory.create().id, NOW - WEEK - MOMENT, *kept)
    done = await prune(async_db_session, older_than=WEEK, now=NOW)
    await async_db_session.commit()

    assert (done.records, _times(db_session)) == (1, kept)


async def test_a_batch_is_bounded_and_the_next_begins_behind_it(
    async_db_session: AsyncSession, db_session: Session
) -> None:
    _recorded(db_session, ModuleFactory.create().id, *_five_old())
    ids = db_session.scalars(select(HealthRecord.id).order_by(HealthRecord.id)).all()
    first = await prune(async_db_session, older_than=WEEK, limit=2, now=NOW)
    second = await prune(async_db_session, older_than=WEEK, limit=9, after=first.last, now=NOW)
    third = await prune(async_db_session, older_than=WEEK, limit=2, after=second.last, now=NOW)
    await async_db_session.commit()

    assert (first.records, first.last) == (2, ids[1])
    assert (second.records, second.last) == (3, ids[4])
    assert (third.records, third.last) == (0, ids[4])


async def test_what_another_process_deletes_is_left_to_it(
    sessions: async_sessionmaker[AsyncSession], db_session: Session
) -> None:
    _recorded(db_session, ModuleFactory.create().id, *_five_old())
    async with sessions.begin() as first, sessions.begin() as second:
        counts = [
            (await prune(first, older_than=WEEK, limit=3, now=NOW)).records,
            (await prune(second, older_than=WEEK, limit=3, now=NOW)).records,
        ]

    assert (counts, _times(db_session)) == ([3, 2], [])


async def test_a_record_that_was_stored_late_is_deleted_with_its_neighbours(
    async_db_session: AsyncSession, db_session: Session
) -> None:
    module_id = ModuleFactory.create().id
    _recorded(db_session, module_id, NOW - WEEK, NOW - 2 * WEEK)
    done = await prune(async_db_session, older_than=WEEK, limit=2, now=NOW)
    await async_db_session.commit()

    assert (done.records, _times(db_session)) == (1, [NOW - WEEK])


async def test_the_job_deletes_by_the_clock_of_the_database_batch_by_batch(
    sessions: async_sessionmaker[AsyncSession],
    db_session: Session,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health_history, "BATCH", 2)
    ago = [func.now() - WEEK - timedelta(seconds=number) for number in range(1, 6)]
    _recorded(db_session, ModuleFactory.create().id, *ago, func.now())
    stop = asyncio.Event()
    job = asyncio.create_task(
        Pruning(sessions, retention=WEEK.total_seconds(), interval=3_600).run(stop)
    )
    await until(lambda: len(_times(db_session)) == 1)
    stop.set()
    await job

    assert len(_times(db_session)) == 1


async def test_a_job_that_is_asked_to_stop_deletes_nothing_more(
    sessions: async_sessionmaker[AsyncSession], db_session: Session
) -> None:
    _recorded(db_session, ModuleFactory.create().id, NOW - 999 * WEEK)
    stop = asyncio.Event()
    stop.set()
    await Pruning(sessions, retention=1).run(stop)

    assert len(_times(db_session)) == 1


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (
            "SELECT * FROM health_records WHERE module_id = {module} AND at < now()"
            " ORDER BY at DESC LIMIT 51",
            "uq_health_records_module_id_at",
        ),
        (
            "SELECT id, at FROM health_records WHERE id > 0 ORDER BY id LIMIT 5000"
            " FOR UPDATE SKIP LOCKED",
            "pk_health_records",
        ),
        ("DELETE FROM health_records WHERE module_id = {module}", "uq_health_records_module_id_at"),
    ],
)
def test_no_statement_reads_the_whole_history(
    db_session: Session, statement: str, index: str
) -> None:
    ModuleFactory.create_batch(50)
    db_session.execute(
        text(
            "INSERT INTO health_records (module_id, at, status, previous, reason, details)"
            " SELECT id, now() - n * interval '1 s', 'healthy', 'healthy', 'heartbeat', '{}'"
            " FROM generate_series(1, 200) AS n, modules"
        )
    )
    db_session.execute(text("ANALYZE health_records"))
    filled = statement.format(module=f"'{uuid.uuid4()}'")
    plan = "\n".join(db_session.scalars(text(f"EXPLAIN {filled}")))

    assert index in plan
    assert "Seq Scan" not in plan


async def test_what_the_services_ask_reads_the_whole_history_never(
    async_db_session: AsyncSession,
) -> None:
    """The statements themselves, by what Postgres counts of its transaction."""
    module_ids = [module.id for module in await ModuleFactory.acreate_batch(50)]
    await async_db_session.execute(
        text(
            "INSERT INTO health_records (module_id, at, status, previous, reason, details)"
            " SELECT id, now() - n * interval '1 s', 'healthy', 'healthy', 'heartbeat', '{}'"
            " FROM generate_series(1, 200) AS n, modules"
        )
    )
    await async_db_session.execute(text("ANALYZE health_records"))
    counted = text("SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'health_records'")
    limit = timedelta(seconds=60)
    before = await async_db_session.scalar(counted)
    for at in (None, datetime.now(UTC)):
        await page(async_db_session, module_ids[7], limit=50, before=at)
    await health.beat(async_db_session, module_ids[7], Heartbeat())
    await health.of_system(async_db_session, offline_after=limit)
    await announce_silent(async_db_session, offline_after=limit)
    await prune(async_db_session, older_than=limit)
    await modules.remove(async_db_session, module_ids[7])

    assert await async_db_session.scalar(counted) == before
