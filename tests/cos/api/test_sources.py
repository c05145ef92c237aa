import asyncio

import pytest
from httpx import AsyncClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import func, select
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession

from cos.api.metrics import Source
from cos.api.sources import Publication, RedisCircuit
from cos.app import create_app
from cos.db.engine import service_engine
from cos.db.measured_pool import MeasuredPool
from cos.events.publishing.breaker import Policy
from cos.events.publishing.guard import CircuitOpenError, Guard
from cos.models import HealthState
from cos.services import modules
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


async def _values(source: Source) -> dict[str, float]:
    """Return every sample by its name and labels."""
    return {
        "".join((sample.name, *sample.labels.values())): sample.value
        for family in await source.collect()
        for sample in family.samples
    }


async def test_the_circuit_around_redis_is_told_with_what_it_counted() -> None:
    guard = Guard("redis", policy=Policy(failures=1, calls=1))
    before = await _values(RedisCircuit(guard))

    async def refused() -> None:
        raise ConnectionRefusedError

    with pytest.raises(ConnectionRefusedError):
        await guard.call(refused)
    with pytest.raises(CircuitOpenError):
        await guard.call(refused)
    after = await _values(RedisCircuit(guard))

    assert (before["cos_redis_circuitclosed"], before["cos_redis_circuitopen"]) == (1, 0)
    assert (after["cos_redis_circuitclosed"], after["cos_redis_circuitopen"]) == (0, 1)
    assert after["cos_redis_circuit_calls_totalfailed"] == 1
    assert after["cos_redis_circuit_calls_totalrejected"] == 1
    assert after["cos_redis_circuit_opened_total"] == 1


async def test_without_a_relay_nothing_is_said_of_what_it_published() -> None:
    assert await _values(Publication(None)) == {}
