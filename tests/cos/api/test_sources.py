import asyncio
from datetime import timedelta

import pytest
from httpx import AsyncClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from cos.app import create_app
from cos.db.engine import service_engine
from cos.db.measured_pool import MeasuredPool
from cos.models import HealthState, OutboxEvent
from cos.services import backlog as backlogs
from cos.services import modules
from cos.services.backlog import backlog
from cos.services.modules import NewModule
from cos.settings import Settings
from tests.cos.asgi import client_of
from tests.cos.factories import ModuleFactory
from tests.cos.waiting import until


async def _scraped(client: AsyncClient) -> dict[str, float]:
    """Return the values by name and the values of the labels."""
    answer = await client.get("/metrics")
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def _register(session: AsyncSession, number: int) -> None:
    for _ in range(number):
        await modules.register(session, NewModule(**ModuleFactory.payload()))
    await session.commit()


async def test_dependencies_pool_modules_and_outbox_are_told(
    client: AsyncClient, async_db_session: AsyncSession
) -> None:
    await _register(async_db_session, 3)
    await ModuleFactory.acreate(state=HealthState.HEALTHY, last_active=func.now())
    samples = await _scraped(client)

    assert (samples["cos_up database"], samples["cos_up redis"]) == (1, 1)
    assert samples["cos_modules unknown"] == 3
    assert samples["cos_modules healthy"] == 1
    assert samples["cos_outbox_events"] == 3
    assert samples["cos_outbox_oldest_age_seconds"] > 0
    assert samples["cos_database_pool_size"] == 10
    assert samples.keys() >= {"cos_database_pool_in_use", "cos_database_pool_waiting"}


async def test_without_postgres_the_scrape_says_so_and_does_not_fail(
    settings: Settings, closed_port: int
) -> None:
    url = settings.sqlalchemy_url.set(host="127.0.0.1", port=closed_port)
    away = Settings.model_validate({"database_url": url.render_as_string(hide_password=False)})
    async with client_of(create_app(away)) as client:
        samples = await _scraped(client)

    assert (samples["cos_up database"], samples["cos_up redis"]) == (0, 1)
    assert samples["cos_source_failed outbox"] == 1
    assert samples["cos_source_failed modules"] == 1
    assert not [name for name in samples if name.startswith(("cos_outbox", "cos_modules"))]


async def test_servers_that_never_answer_cost_a_scrape_no_more_than_the_limit(
    settings: Settings, silent_port: int
) -> None:
    url = settings.sqlalchemy_url.set(host="127.0.0.1", port=silent_port)
    silent = Settings.model_validate(
        {
            "database_url": url.render_as_string(hide_password=False),
            "redis_url": f"redis://127.0.0.1:{silent_port}",
            "ready_timeout": 0.1,
        }
    )
    async with client_of(create_app(silent)) as client, asyncio.timeout(5):
        samples = await _scraped(client)

    assert (samples["cos_up database"], samples["cos_up redis"]) == (0, 0)
    assert samples["cos_source_failed outbox"] == 1


async def test_the_pool_tells_who_waits_for_a_connection(settings: Settings) -> None:
    engine = service_engine(settings.model_copy(update={"database_pool_size": 1}))
    pool = engine.pool
    assert isinstance(pool, MeasuredPool)

    async def ask() -> None:
        async with engine.connect() as connection:
            await connection.execute(select(1))

    async with engine.connect():
        asking = asyncio.create_task(ask())
        await until(lambda: pool.acquiring == 1)
        during = (pool.size(), pool.checkedout(), pool.acquiring)
    await asking
    after = (pool.checkedout(), pool.acquiring)
    await engine.dispose()

    assert (during, after) == ((1, 1, 1), (0, 0))


async def test_who_gives_up_waiting_is_not_counted_any_more(settings: Settings) -> None:
    engine = service_engine(
        settings.model_copy(update={"database_pool_size": 1, "database_pool_timeout": 0.01})
    )
    pool = engine.pool
    assert isinstance(pool, MeasuredPool)
    async with engine.connect():
        with pytest.raises(PoolTimeoutError):
            async with engine.connect():
                pass
    await engine.dispose()

    assert pool.acquiring == 0


async def test_the_backlog_is_what_is_not_published_and_the_age_of_its_first(
    async_db_session: AsyncSession, db_session: Session
) -> None:
    empty = await backlog(async_db_session)
    await _register(async_db_session, 5)
    positions = db_session.scalars(
        select(OutboxEvent.position).order_by(OutboxEvent.position)
    ).all()
    hour = timedelta(hours=1)
    db_session.execute(
        update(OutboxEvent)
        .where(OutboxEvent.position.in_(positions[:2]))
        .values(published_at=func.now(), occurred_at=func.now() - 9 * hour)
    )
    db_session.execute(
        update(OutboxEvent)
        .where(OutboxEvent.position == positions[2])
        .values(occurred_at=func.now() - hour)
    )
    db_session.commit()
    found = await backlog(async_db_session)

    assert (empty.events, empty.oldest) == (0, 0)
    assert found.events == 3
    assert 3_600 <= found.oldest < 7_200


async def test_a_large_backlog_is_counted_up_to_a_limit(
    async_db_session: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlogs, "COUNTED_AT_MOST", 3)
    await _register(async_db_session, 5)

    assert (await backlog(async_db_session)).events == 3


def test_the_backlog_is_read_from_its_index(db_session: Session) -> None:
    db_session.execute(text("SET LOCAL enable_seqscan = off"))
    statement = (
        "SELECT occurred_at FROM events WHERE partition = 1 AND published_at IS NULL"
        " ORDER BY position LIMIT 1"
    )
    plan = "\n".join(db_session.scalars(text(f"EXPLAIN {statement}")))

    assert "ix_events_partition_position" in plan
    assert "Sort" not in plan
