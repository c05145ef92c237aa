import asyncio
import time

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from cos.db.engine import service_engine
from cos.db.redis_client import service_redis
from cos.services.readiness import Dependency, Readiness, probes_of
from cos.settings import Settings

UP = Dependency("up")


async def _checked(settings: Settings, *, within: float = 5) -> dict[str, Dependency]:
    engine, redis = service_engine(settings), service_redis(settings)
    readiness = Readiness(probes_of(engine, redis), timeout=within)
    try:
        return await readiness.check()
    finally:
        await readiness.aclose()
        await redis.aclose()
        await engine.dispose()


def _database_at(settings: Settings, port: int) -> Settings:
    url = settings.sqlalchemy_url.set(host="127.0.0.1", port=port)
    return Settings.model_validate({"database_url": url.render_as_string(hide_password=False)})


async def test_both_dependencies_are_named_and_up(settings: Settings) -> None:
    assert await _checked(settings) == {"database": UP, "redis": UP}


async def test_a_database_that_refuses_is_down_and_redis_is_not(
    settings: Settings, closed_port: int
) -> None:
    found = await _checked(_database_at(settings, closed_port))

    assert (found["database"].state, found["redis"]) == ("down", UP)


async def test_a_redis_that_refuses_is_down_and_the_database_is_not(closed_port: int) -> None:
    url = f"redis://127.0.0.1:{closed_port}/0"
    found = await _checked(Settings.model_validate({"redis_url": url}))

    assert (found["redis"].state, found["database"]) == ("down", UP)


async def test_a_database_that_never_answers_is_down_in_time(
    settings: Settings, silent_port: int
) -> None:
    started = time.monotonic()
    found = await _checked(_database_at(settings, silent_port), within=0.2)

    assert found == {"database": Dependency("down", "no answer within 0.2 s"), "redis": UP}
    # testkit: ignore[TD622] that it ends in time is the subject
    assert time.monotonic() - started < 2


async def test_a_redis_that_never_answers_is_down_in_time(silent_port: int) -> None:
    url = f"redis://127.0.0.1:{silent_port}/0"
    started = time.monotonic()
    found = await _checked(Settings.model_validate({"redis_url": url}), within=0.2)

    assert found == {"database": UP, "redis": Dependency("down", "no answer within 0.2 s")}
    # testkit: ignore[TD622] that it ends in time is the subject
    assert time.monotonic() - started < 2


async def test_a_database_that_was_never_migrated_is_down_and_says_what_to_run(
    settings: Settings, db_session: Session
) -> None:
    db_session.execute(text("ALTER TABLE modules RENAME TO elsewhere"))
    db_session.commit()
    found = await _checked(settings)

    assert found["database"].state == "down"
    assert "python -m cos migrate" in (found["database"].reason or "")


async def test_no_reason_names_an_address_or_a_user(settings: Settings, closed_port: int) -> None:
    found = await _checked(_database_at(settings, closed_port))
    reason = found["database"].reason or ""

    assert reason
    assert str(closed_port) not in reason
    assert "postgres" not in reason


async def test_the_log_has_the_reason(
    settings: Settings, closed_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    await _checked(_database_at(settings, closed_port))

    assert "database is not ready" in caplog.text
    assert str(closed_port) in caplog.text
    assert str(settings.sqlalchemy_url.password) not in caplog.text


async def test_the_dependencies_are_asked_at_once() -> None:
    both_asked = asyncio.Barrier(2)

    async def wait_for_the_other() -> None:
        await both_asked.wait()

    readiness = Readiness({"a": wait_for_the_other, "b": wait_for_the_other}, timeout=5)

    assert await readiness.check() == {"a": UP, "b": UP}


async def test_a_probe_that_was_given_up_on_ends_with_the_application() -> None:
    ended = asyncio.Event()

    async def never() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    readiness = Readiness({"never": never}, timeout=0.01)
    await readiness.check()
    await readiness.aclose()

    assert ended.is_set()


@pytest.mark.parametrize("fault", [ValueError, KeyError, AssertionError])
async def test_a_fault_in_a_probe_is_not_taken_for_a_dependency_that_is_down(
    fault: type[Exception],
) -> None:
    async def broken() -> None:
        raise fault

    with pytest.raises(fault):
        await Readiness({"broken": broken}, timeout=1).check()
