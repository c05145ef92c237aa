"""A relay at work: what wakes it, what it waits for, and how it stops."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from cos.events.event import partition_of, stream_name
from cos.events.publishing.breaker import Policy
from cos.events.publishing.guard import Guard
from cos.settings import Settings
from testkit.isolation.database import Database
from tests.cos.events.relays import eventually, firsts, relay_of, running, told, write

HOURS = 3_600.0
PATIENT: dict[str, Any] = {"event_poll_interval": HOURS, "event_check_interval": HOURS}
RESTLESS: dict[str, Any] = {"event_poll_interval": 0.02, "event_check_interval": 0.02}
LISTENERS = text(
    "SELECT pid FROM pg_stat_activity"
    " WHERE datname = current_database() AND query LIKE 'LISTEN%' AND state = 'idle'"
)
END = text("SELECT pg_terminate_backend(:pid, 5000)")
OTHERS = text(
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = 'cos'"
)


async def _has(redis: Redis, module_id: UUID, *sequences: int) -> None:
    """Wait until the module's stream has exactly these first occurrences."""

    async def is_there() -> bool:
        return firsts(await told(redis, module_id)) == list(sequences)

    await eventually(is_there)


async def _listener(session: AsyncSession) -> int:
    """Wait until somebody listens, and return its process."""
    found: list[int] = []

    async def is_there() -> bool:
        found[:] = await session.scalars(LISTENERS)
        await session.rollback()
        return bool(found)

    await eventually(is_there)
    return found[0]


async def test_a_commit_wakes_it_at_once(
    settings: Settings, async_db_session: AsyncSession, async_redis_client: Redis
) -> None:
    module_id = uuid4()
    async with relay_of(settings, **PATIENT) as relay, running(relay):
        await _listener(async_db_session)
        await write(async_db_session, module_id)
        await _has(async_redis_client, module_id, 1)
        await write(async_db_session, module_id, first=2)
        await _has(async_redis_client, module_id, 1, 2)

    assert await told(async_redis_client, module_id) == [1, 2]


async def test_what_nobody_was_notified_of_is_found_all_the_same(
    settings: Settings, async_db_session: AsyncSession, async_redis_client: Redis
) -> None:
    module_id = uuid4()
    await async_db_session.execute(text("ALTER TABLE events DISABLE TRIGGER notify"))
    await async_db_session.commit()
    async with relay_of(settings, **RESTLESS) as relay, running(relay):
        await write(async_db_session, module_id)
        await _has(async_redis_client, module_id, 1)

    assert await told(async_redis_client, module_id) == [1]


async def test_while_there_is_more_it_goes_on_without_being_woken(
    settings: Settings, async_db_session: AsyncSession, async_redis_client: Redis
) -> None:
    module_id = uuid4()
    await write(async_db_session, module_id, 5)
    async with relay_of(settings, event_batch=1, **PATIENT) as relay, running(relay):
        await _has(async_redis_client, module_id, 1, 2, 3, 4, 5)

    assert await told(async_redis_client, module_id) == [1, 2, 3, 4, 5]


async def test_a_lost_notification_connection_is_made_again(
    settings: Settings,
    async_db_session: AsyncSession,
    async_redis_client: Redis,
    db_session: Session,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", logger="cos.events.publishing.notifications")
    module_id = uuid4()
    async with relay_of(settings, **PATIENT) as relay, running(relay):
        before = await _listener(async_db_session)
        db_session.execute(END, {"pid": before})
        db_session.rollback()
        # Nobody listens now: what is committed is found when somebody does again.
        await write(async_db_session, module_id)
        await _has(async_redis_client, module_id, 1)
        after = await _listener(async_db_session)
        await write(async_db_session, module_id, first=2)
        await _has(async_redis_client, module_id, 1, 2)

    assert before != after
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "New events are not notified of, but looked for",
        "Notifications of new events arrive again.",
    ]


async def test_a_database_that_ends_every_session_is_worked_with_again(
    settings: Settings,
    async_db_session: AsyncSession,
    async_redis_client: Redis,
    db_session: Session,
) -> None:
    module_id = uuid4()
    async with relay_of(settings, **RESTLESS) as relay, running(relay):
        for sequence in (1, 2):
            db_session.execute(OTHERS)
            db_session.rollback()
            await write(async_db_session, module_id, first=sequence)
            await _has(async_redis_client, module_id, *range(1, sequence + 1))

    assert firsts(await told(async_redis_client, module_id)) == [1, 2]


async def test_a_database_without_the_table_is_logged_once_until_it_is_there(
    settings: Settings,
    async_db_session: AsyncSession,
    async_redis_client: Redis,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", logger="cos.events.relay")
    module_id = uuid4()
    await write(async_db_session, module_id)
    await async_db_session.execute(text("ALTER TABLE events RENAME TO elsewhere"))
    await async_db_session.commit()
    async with relay_of(settings, **RESTLESS) as relay, running(relay):

        async def has_failed() -> bool:
            return "cannot be read or marked" in caplog.text

        await eventually(has_failed)
        await async_db_session.execute(text("ALTER TABLE elsewhere RENAME TO events"))
        await async_db_session.commit()
        await _has(async_redis_client, module_id, 1)

        async def has_recovered() -> bool:
            return "can be read and marked" in caplog.text

        await eventually(has_recovered)

    assert len(caplog.records) == 2


async def test_a_redis_that_came_back_empty_is_noticed_though_nothing_happens(
    settings: Settings, async_db_session: AsyncSession, async_redis_client: Redis
) -> None:
    module_id = uuid4()
    async with relay_of(settings, **RESTLESS) as relay, running(relay):
        await write(async_db_session, module_id, 3)
        await _has(async_redis_client, module_id, 1, 2, 3)

        async def is_marked() -> bool:
            return relay.facts.published == 3

        await eventually(is_marked)
        await async_redis_client.flushall()
        await _has(async_redis_client, module_id, 1, 2, 3)

    assert await told(async_redis_client, module_id) == [1, 2, 3]
    assert relay.facts.republished == 3


async def test_while_redis_hangs_events_wait_and_then_they_flow_in_order(
    settings: Settings, async_db_session: AsyncSession, async_redis_client: Redis
) -> None:
    module_id = uuid4()
    guard = Guard("redis", policy=Policy(failures=1, cooldown=0.05, longest_cooldown=0.05))
    async with relay_of(settings, guard, redis_timeout=0.05, **RESTLESS) as relay, running(relay):
        await write(async_db_session, module_id)
        await _has(async_redis_client, module_id, 1)
        await async_redis_client.client_pause(60_000, all=False)
        try:
            await write(async_db_session, module_id, 3, first=2)

            async def is_open() -> bool:
                return guard.circuit.opened > 1

            await eventually(is_open)
            while_paused = firsts(await told(async_redis_client, module_id))
        finally:
            await async_redis_client.client_unpause()
        await _has(async_redis_client, module_id, 1, 2, 3, 4)

        async def is_closed() -> bool:
            return guard.circuit.state == "closed"

        await eventually(is_closed)

    assert while_paused == [1]


async def test_while_the_circuit_is_open_no_notification_makes_it_busy(
    settings: Settings, closed_port: int, async_db_session: AsyncSession, async_redis_client: Redis
) -> None:
    module_id = uuid4()
    guard = Guard("redis", policy=Policy(failures=1, cooldown=HOURS, longest_cooldown=HOURS))
    nowhere = Settings.model_validate({"redis_url": f"redis://127.0.0.1:{closed_port}/0"})
    async with (
        relay_of(nowhere, guard, **RESTLESS) as waiting,
        relay_of(settings, **PATIENT) as working,
        running(waiting),
    ):
        await write(async_db_session, module_id)

        async def is_open() -> bool:
            return guard.circuit.state == "open"

        await eventually(is_open)
        async with running(working):
            for sequence in range(2, 6):
                await write(async_db_session, module_id, first=sequence)
            await _has(async_redis_client, module_id, 1, 2, 3, 4, 5)

    # It stopped at once, too, though hours of the cool-down were left.
    assert (guard.circuit.failures, guard.circuit.rejected) == (1, 0)


async def test_it_stops_when_it_is_asked_to_though_it_has_nothing_to_do(
    settings: Settings, async_db_session: AsyncSession
) -> None:
    async with relay_of(settings, **PATIENT) as relay, running(relay) as stop:
        await _listener(async_db_session)
        stop.set()

    assert relay.facts.last_round is not None


async def test_the_round_that_is_under_way_is_finished_when_it_is_asked_to_stop(
    settings: Settings,
    database: Database,
    async_db_session: AsyncSession,
    async_redis_client: Redis,
) -> None:
    module_id = uuid4()
    await write(async_db_session, module_id)
    async with relay_of(settings, **PATIENT) as relay:
        async with database.async_session() as holder:
            await holder.execute(text("SELECT FROM events FOR UPDATE"))
            async with running(relay) as stop:
                # Published, and waiting for the row that it has to mark.
                await async_redis_client.xread(
                    {stream_name(partition_of(module_id)): "0"}, block=5_000
                )
                stop.set()
                await holder.rollback()
        again = await relay.round()

    assert again.published == 0
    assert await told(async_redis_client, module_id) == [1]
