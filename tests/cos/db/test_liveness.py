import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import Session

from cos.db.liveness import with_tried_connections
from cos.settings import Settings

NEVER = 0.0
ALWAYS = 3_600.0


def _engine(settings: Settings, *, trusted: float) -> AsyncEngine:
    engine = create_async_engine(settings.sqlalchemy_url, pool_size=2, max_overflow=0)
    with_tried_connections(engine.sync_engine, trusted=trusted)
    return engine


async def _pid(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one())


def _last_heard(session: Session, pid: int) -> object:
    # Outside of a transaction's snapshot of the activity, which is kept until its end.
    session.execute(text("SELECT pg_stat_clear_snapshot()"))
    return session.scalar(
        text("SELECT state_change FROM pg_stat_activity WHERE pid = :pid"), {"pid": pid}
    )


@pytest.mark.parametrize("trusted", [NEVER, ALWAYS])
async def test_a_connection_that_the_server_ended_is_not_handed_out(
    settings: Settings, db_session: Session, trusted: float
) -> None:
    engine = _engine(settings, trusted=trusted)
    before = await _pid(engine)
    # It is gone when this returns.
    db_session.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": before})
    after = await _pid(engine)
    await engine.dispose()

    assert after != before


async def test_where_one_is_found_ended_all_that_are_older_are_replaced(
    settings: Settings, db_session: Session
) -> None:
    engine = _engine(settings, trusted=ALWAYS)
    async with engine.connect() as first, engine.connect() as second:
        pids = [
            (await each.execute(text("SELECT pg_backend_pid()"))).scalar_one()
            for each in (first, second)
        ]
    db_session.execute(
        text("SELECT pg_terminate_backend(pid, 5000) FROM unnest(CAST(:pids AS int[])) AS pid"),
        {"pids": pids},
    )
    after = {await _pid(engine), await _pid(engine)}
    await engine.dispose()

    assert after.isdisjoint(pids)


@pytest.mark.parametrize(("trusted", "is_asked"), [(NEVER, True), (ALWAYS, False)])
async def test_one_that_was_just_used_is_looked_at_and_not_asked(
    settings: Settings, db_session: Session, trusted: float, *, is_asked: bool
) -> None:
    engine = _engine(settings, trusted=trusted)
    pid = await _pid(engine)
    before = _last_heard(db_session, pid)
    async with engine.connect():
        after = _last_heard(db_session, pid)
    await engine.dispose()

    assert (after != before) == is_asked
