import asyncio

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import Session

from cos.db.engine import migration_engine, service_engine
from cos.settings import Settings

LIMITS = """
    SELECT current_setting('application_name'), current_setting('statement_timeout'),
        current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout'),
        current_setting('TimeZone')
"""


async def _row(engine: AsyncEngine, statement: str) -> tuple[object, ...]:
    async with engine.connect() as connection:
        return tuple((await connection.execute(text(statement))).one())


async def test_every_connection_of_the_service_has_its_limits_and_its_name(
    settings: Settings,
) -> None:
    engine = service_engine(
        settings.model_copy(
            update={
                "statement_timeout": 7.5,
                "lock_timeout": 1.0,
                "idle_in_transaction_timeout": 20.0,
            }
        )
    )
    async with engine.connect(), engine.connect() as second:
        row = (await second.execute(text(LIMITS))).one()
    await engine.dispose()

    assert tuple(row) == ("cos", "7500ms", "1s", "20s", "UTC")


def test_a_migration_may_run_long_but_not_wait_long_for_a_lock(settings: Settings) -> None:
    engine = migration_engine(settings)
    with engine.connect() as connection:
        row = connection.execute(text(LIMITS)).one()

    assert tuple(row) == ("cos-migrate", "0", "3s", "30s", "UTC")


async def test_the_same_address_serves_both_kinds_of_engine(settings: Settings) -> None:
    both = (service_engine(settings).url, migration_engine(settings).url)

    assert both[0].set(query={}) == both[1].set(query={}) == settings.sqlalchemy_url


@pytest.mark.parametrize("seconds", [0.0001, 0.0005, 0.001])
async def test_a_limit_below_a_millisecond_is_not_switched_off(
    settings: Settings, seconds: float
) -> None:
    engine = service_engine(settings.model_copy(update={"lock_timeout": seconds}))
    (limit,) = await _row(engine, "SELECT current_setting('lock_timeout')")
    await engine.dispose()

    assert limit == "1ms"


async def test_parameters_that_the_url_itself_carries_win(settings: Settings) -> None:
    url = settings.sqlalchemy_url.update_query_dict(
        {"application_name": "mine", "options": "-c statement_timeout=1234 -c work_mem=5MB"}
    )
    given = Settings.model_validate(
        {"database_url": url.render_as_string(hide_password=False), "lock_timeout": 2}
    )
    engine = service_engine(given)
    row = await _row(engine, LIMITS)
    memory = await _row(engine, "SELECT current_setting('work_mem')")
    await engine.dispose()

    assert row[:3] == ("mine", "1234ms", "2s")
    assert memory == ("5MB",)


async def test_a_statement_that_takes_too_long_is_ended_by_the_server(settings: Settings) -> None:
    engine = service_engine(settings.model_copy(update={"statement_timeout": 0.05}))
    with pytest.raises(OperationalError, match="statement timeout"):
        await _row(engine, "SELECT pg_sleep(30)")
    await engine.dispose()


async def test_the_pool_is_bounded_and_nobody_waits_for_ever(settings: Settings) -> None:
    engine = service_engine(
        settings.model_copy(update={"database_pool_size": 2, "database_pool_timeout": 0.05})
    )
    async with engine.connect(), engine.connect():
        with pytest.raises(PoolTimeoutError, match="size 2 overflow 0"):
            await _row(engine, "SELECT 1")
    await engine.dispose()


async def test_a_pooled_connection_that_the_server_ended_costs_no_request(
    settings: Settings, db_session: Session
) -> None:
    engine = service_engine(settings.model_copy(update={"database_pool_size": 1}))
    (before,) = await _row(engine, "SELECT pg_backend_pid()")
    db_session.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": before})
    (after,) = await _row(engine, "SELECT pg_backend_pid()")
    await engine.dispose()

    assert before != after


@pytest.mark.slow
async def test_a_server_that_never_answers_is_given_up_on(
    settings: Settings, silent_port: int
) -> None:
    url = settings.sqlalchemy_url.set(host="127.0.0.1", port=silent_port)
    silent = Settings.model_validate(
        {"database_url": url.render_as_string(hide_password=False), "connect_timeout": 2}
    )
    engine = service_engine(silent)
    async with asyncio.timeout(10):
        with pytest.raises(OperationalError, match="timeout"):
            await _row(engine, "SELECT 1")
    await engine.dispose()


async def test_making_an_engine_connects_to_nothing(settings: Settings) -> None:
    engine = service_engine(settings)
    connected: list[object] = []
    event.listen(engine.sync_engine, "connect", lambda *facts: connected.append(facts))
    await engine.dispose()

    assert connected == []


async def test_parameters_never_show_in_an_error(settings: Settings) -> None:
    engine = service_engine(settings)
    async with engine.connect() as connection:
        with pytest.raises(Exception, match="does not exist") as caught:
            await connection.execute(text("SELECT :secret FROM nowhere"), {"secret": "hunter2"})
    await engine.dispose()

    assert "hunter2" not in str(caught.value)


async def test_the_password_never_shows_in_an_engine(settings: Settings) -> None:
    engine = service_engine(settings)
    password = settings.sqlalchemy_url.password
    shown = f"{engine!r} {engine.url} {engine.pool!r}"
    await engine.dispose()

    assert password
    assert password not in shown
