import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from cos.events.event import LIVE_CHANNEL, partition_of, stream_name
from cos.events.relay import Relay, Round, relay_engine
from cos.services import modules
from cos.services.modules import NewModule
from cos.settings import Settings
from testkit.isolation.database import Database
from tests.cos.events.relays import entries, firsts, module_in, published, relay_of, told, write
from tests.cos.factories import ModuleFactory

HOLD = text("SELECT FROM event_partitions WHERE partition = :partition FOR UPDATE")

REFUSE_ANOTHER_ISOLATION = [
    """
    CREATE FUNCTION refuse_another_isolation() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        ASSERT current_setting('transaction_isolation') = 'read committed';
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER refuse_another_isolation AFTER UPDATE ON event_partitions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_another_isolation()
    """,
]


@pytest.fixture
async def relay(settings: Settings) -> AsyncIterator[Relay]:
    async with relay_of(settings) as made:
        yield made


def _where_sessions_may_idle(settings: Settings) -> str:
    """Return an address that wins over what the settings say of idle sessions."""
    url = settings.sqlalchemy_url.update_query_dict(
        {"options": "-c idle_in_transaction_session_timeout=60000"}
    )
    return url.render_as_string(hide_password=False)


async def _drain(relay: Relay) -> list[Round]:
    """Go round until nothing is left."""
    rounds = [await relay.round()]
    while rounds[-1].has_more:
        rounds.append(await relay.round())
    return rounds


async def test_a_change_that_was_committed_is_in_its_stream_and_on_the_live_channel(
    relay: Relay, async_db_session: AsyncSession, async_redis_client: Redis
) -> None:
    new = NewModule(**ModuleFactory.payload(config={"colour": "größer"}))
    async with async_redis_client.pubsub() as live:
        await live.subscribe(LIVE_CHANNEL)
        await live.get_message(timeout=5)
        module_id = (await modules.register(async_db_session, new)).id
        await async_db_session.commit()
        done = await relay.round()
        message = await live.get_message(timeout=5)
    (event,) = await published(async_redis_client, partition_of(module_id))

    assert done == Round(published=1)
    assert (event.module_id, event.sequence, event.type) == (module_id, 1, "module.registered")
    assert event.payload["config"] == {"colour": "größer"}
    assert message is not None
    assert json.loads(message["data"])["id"] == str(event.id)


async def test_what_was_rolled_back_is_not_published(
    relay: Relay, async_db_session: AsyncSession, async_redis_client: Redis
) -> None:
    await modules.register(async_db_session, NewModule(**ModuleFactory.payload()))
    await async_db_session.rollback()

    assert await relay.round() == Round()
    assert await async_redis_client.keys() == []


async def test_what_was_published_is_not_published_again(
    relay: Relay, async_db_session: AsyncSession, async_redis_client: Redis
) -> None:
    module_id = uuid4()
    await write(async_db_session, module_id)

    assert [(await relay.round()).published, (await relay.round()).published] == [1, 0]
    assert await told(async_redis_client, module_id) == [1]


async def test_a_backlog_goes_out_in_batches_and_every_partition_has_its_turn(
    settings: Settings, async_db_session: AsyncSession, async_redis_client: Redis
) -> None:
    many, few = module_in(0), module_in(1)
    await write(async_db_session, many, 7)
    await write(async_db_session, few, 2)
    async with relay_of(settings, event_batch=3) as relay:
        rounds = await _drain(relay)

    assert [done.published for done in rounds] == [5, 3, 1]
    assert await told(async_redis_client, many) == [1, 2, 3, 4, 5, 6, 7]
    assert await told(async_redis_client, few) == [1, 2]


async def test_the_facts_say_what_was_done_and_when(
    relay: Relay, async_db_session: AsyncSession
) -> None:
    before = relay.facts.last_round
    await write(async_db_session, uuid4(), 3)
    began = datetime.now(UTC)
    await relay.round()
    facts = relay.facts

    assert before is None
    assert (facts.published, facts.republished) == (3, 0)
    assert facts.last_round is not None
    assert facts.last_round >= began


async def test_two_relays_publish_each_event_once_and_in_order(
    settings: Settings, async_db_session: AsyncSession, async_redis_client: Redis
) -> None:
    written = [uuid4() for _ in range(12)]
    for module_id in written:
        await write(async_db_session, module_id, 6)
    async with (
        relay_of(settings, event_batch=2) as one,
        relay_of(settings, event_batch=2) as other,
    ):
        totals: list[int] = []
        # A round that finds everything locked ends at once: until nothing is left at all.
        while not totals or sum(totals) < 72:
            done = await asyncio.gather(one.round(), other.round())
            totals += [each.published for each in done]

    assert sum(totals) == 72
    for module_id in written:
        assert await told(async_redis_client, module_id) == [1, 2, 3, 4, 5, 6]


async def test_a_relay_that_is_cut_off_before_it_marks_publishes_again_in_order(
    relay: Relay, database: Database, async_db_session: AsyncSession, async_redis_client: Redis
) -> None:
    module_id = uuid4()
    await write(async_db_session, module_id, 3)
    async with database.async_session() as holder:
        await holder.execute(text("SELECT FROM events FOR UPDATE"))
        cut_off = asyncio.create_task(relay.round())
        # Published, and waiting for the lock of a row that it has to mark.
        await async_redis_client.xread({stream_name(partition_of(module_id)): "0"}, block=5_000)
        cut_off.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cut_off
        await holder.rollback()
    await write(async_db_session, module_id, first=4)
    await _drain(relay)
    sequences = await told(async_redis_client, module_id)

    assert sequences == [1, 2, 3, 1, 2, 3, 4]
    assert firsts(sequences) == [1, 2, 3, 4]


async def test_a_redis_that_came_back_empty_gets_everything_again_without_anything_new(
    relay: Relay, async_db_session: AsyncSession, async_redis_client: Redis
) -> None:
    one, other = module_in(2), module_in(5)
    await write(async_db_session, one, 3)
    await write(async_db_session, other, 2)
    await relay.round()
    await async_redis_client.flushall()
    unnoticed = await relay.round()
    noticed = await relay.round(look=True)
    again = await relay.round()

    assert unnoticed == Round()
    assert noticed == Round(republished=5, has_more=True)
    assert again.published == 5
    assert await told(async_redis_client, one) == [1, 2, 3]
    assert await told(async_redis_client, other) == [1, 2]
    assert relay.facts.republished == 5
    assert await relay.round(look=True) == Round()


async def test_a_new_event_shows_that_redis_came_back_empty_and_waits_for_those_before_it(
    relay: Relay, async_db_session: AsyncSession, async_redis_client: Redis
) -> None:
    module_id = uuid4()
    await write(async_db_session, module_id, 3)
    await relay.round()
    await async_redis_client.flushall()
    await write(async_db_session, module_id, first=4)
    await _drain(relay)

    assert await told(async_redis_client, module_id) == [1, 2, 3, 4]


async def test_a_redis_that_lost_the_tail_gets_only_the_tail_again(
    relay: Relay,
    async_db_session: AsyncSession,
    async_redis_client: Redis,
    caplog: pytest.LogCaptureFixture,
) -> None:
    module_id = module_in(3)
    stream = stream_name(3)
    await write(async_db_session, module_id, 5)
    await relay.round()
    before = await entries(async_redis_client, 3)
    await async_redis_client.delete(stream)
    for entry_id, fields in before[:2]:
        await async_redis_client.xadd(stream, fields, id=entry_id)
    noticed = await relay.round(look=True)
    await _drain(relay)
    after = await entries(async_redis_client, 3)

    assert noticed.republished == 3
    assert await told(async_redis_client, module_id) == [1, 2, 3, 4, 5]
    assert after[:2] == before[:2]
    assert "Redis lost entries of partition 3" in caplog.text
    assert "Events published again: 3." in caplog.text


async def test_no_more_comes_again_than_the_stream_would_keep(
    settings: Settings, async_db_session: AsyncSession, async_redis_client: Redis
) -> None:
    module_id = uuid4()
    await write(async_db_session, module_id, 120)
    async with relay_of(settings, event_stream_length=100, event_batch=1_000) as relay:
        await relay.round()
        await async_redis_client.flushall()
        await relay.round(look=True)
        await relay.round()

    assert await told(async_redis_client, module_id) == list(range(21, 121))


async def test_a_stream_that_is_longer_than_was_marked_is_simply_appended_to(
    relay: Relay, async_db_session: AsyncSession, async_redis_client: Redis
) -> None:
    module_id = uuid4()
    await write(async_db_session, module_id)
    await relay.round()
    await async_redis_client.xadd(stream_name(partition_of(module_id)), {"of": "somebody"})
    await write(async_db_session, module_id, first=2)

    assert await relay.round(look=True) == Round(published=1)


async def test_the_stream_is_trimmed_to_about_its_length(
    settings: Settings, async_db_session: AsyncSession, async_redis_client: Redis
) -> None:
    module_id = module_in(4)
    await write(async_db_session, module_id, 450)
    async with relay_of(settings, event_stream_length=100) as relay:
        await _drain(relay)
    kept = await told(async_redis_client, module_id)

    # Redis lets go of whole nodes, of a hundred entries each.
    assert 100 <= len(kept) <= 200
    assert kept[-1] == 450


async def test_a_partition_that_somebody_holds_stops_no_other_and_goes_on_when_it_is_free(
    relay: Relay, database: Database, async_db_session: AsyncSession, async_redis_client: Redis
) -> None:
    held, free = module_in(0), module_in(1)
    await write(async_db_session, held)
    await write(async_db_session, free)
    async with database.async_session() as frozen:
        await frozen.execute(HOLD, {"partition": 0})
        meanwhile = await relay.round()
        await frozen.rollback()
    afterwards = await relay.round()

    assert (meanwhile.published, afterwards.published) == (1, 1)
    assert await told(async_redis_client, held) == [1]
    assert await told(async_redis_client, free) == [1]


async def test_a_stream_that_is_no_stream_stops_no_other_and_is_logged_once(
    relay: Relay,
    async_db_session: AsyncSession,
    async_redis_client: Redis,
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken, sound = module_in(0), module_in(1)
    await write(async_db_session, broken)
    await write(async_db_session, sound)
    await async_redis_client.set(stream_name(0), "no stream")
    rounds = [await relay.round(), await relay.round()]

    assert [done.published for done in rounds] == [1, 0]
    assert [done.has_more or done.has_failed for done in rounds] == [False, False]
    assert caplog.text.count("Partition 0 cannot be published, its events wait: ") == 1

    await async_redis_client.delete(stream_name(0))
    await relay.round()

    assert await told(async_redis_client, broken) == [1]


async def test_redis_that_refuses_fails_the_round_and_the_events_wait(
    settings: Settings, closed_port: int, async_db_session: AsyncSession, async_redis_client: Redis
) -> None:
    module_id = uuid4()
    await write(async_db_session, module_id)
    nowhere = Settings.model_validate({"redis_url": f"redis://127.0.0.1:{closed_port}/0"})
    async with relay_of(nowhere) as cut_off:
        failed = await cut_off.round()
    async with relay_of(settings) as relay:
        await relay.round()

    assert failed == Round(has_failed=True)
    assert await told(async_redis_client, module_id) == [1]


async def test_redis_that_is_silent_for_longer_than_a_session_may_idle_fails_the_round(
    settings: Settings,
    silent_port: int,
    async_db_session: AsyncSession,
    caplog: pytest.LogCaptureFixture,
) -> None:
    silent = Settings.model_validate(
        {
            "database_url": _where_sessions_may_idle(settings),
            "redis_url": f"redis://127.0.0.1:{silent_port}/0",
            "redis_timeout": 3_600,
            "idle_in_transaction_timeout": 0.3,
        }
    )
    await write(async_db_session, uuid4())
    async with relay_of(silent) as relay:
        done = await relay.round()

    assert done == Round(has_failed=True)
    assert "events wait: TimeoutError: no answer within 0.1 s" in caplog.text


async def test_a_round_whose_time_is_over_leaves_the_rest_to_the_next(
    settings: Settings, async_db_session: AsyncSession
) -> None:
    address = _where_sessions_may_idle(settings)
    # Its time is a part of what the session may idle, and over before the first call.
    hasty = Settings.model_validate({"database_url": address, "idle_in_transaction_timeout": 1e-9})
    await write(async_db_session, uuid4())
    async with relay_of(hasty) as relay:
        done = await relay.round()

    assert done == Round(has_more=True)


async def test_a_database_that_fails_at_the_mark_fails_the_round(
    settings: Settings,
    database: Database,
    async_db_session: AsyncSession,
    async_redis_client: Redis,
) -> None:
    module_id = uuid4()
    await write(async_db_session, module_id)
    async with relay_of(settings, lock_timeout=0.05) as relay:
        async with database.async_session() as holder:
            await holder.execute(text("SELECT FROM events FOR UPDATE"))
            with pytest.raises(DBAPIError, match="lock timeout"):
                await relay.round()
            await holder.rollback()
        await relay.round()

    assert await told(async_redis_client, module_id) == [1, 1]


async def test_a_payload_that_the_database_writes_much_longer_is_published(
    relay: Relay, async_db_session: AsyncSession, async_redis_client: Redis
) -> None:
    module_id = uuid4()
    # A few kB when it was announced; the database knows no exponents.
    await write(async_db_session, module_id, 2, numbers=[1e300] * 4_000)
    rounds = await _drain(relay)

    # Too many bytes for one call: one event after the other.
    assert [done.published for done in rounds] == [1, 1]
    assert await told(async_redis_client, module_id) == [1, 2]


async def test_a_relay_has_one_connection_of_its_own_that_may_work_long_and_not_idle_long(
    settings: Settings,
) -> None:
    engine = relay_engine(settings)
    async with engine.connect() as connection:
        idle = await connection.scalar(text("SHOW idle_in_transaction_session_timeout"))
        statement = await connection.scalar(text("SHOW statement_timeout"))
        plans = await connection.scalar(text("SHOW plan_cache_mode"))
    pool = engine.pool
    await engine.dispose()

    assert (idle, statement) == ("10s", "1min")
    # A plan from when the table was empty would read all of it.
    assert plans == "force_custom_plan"
    assert pool is not None
    assert "Pool size: 1 " in pool.status()


async def test_it_reads_committed_whatever_the_database_prefers(
    settings: Settings, async_db_session: AsyncSession
) -> None:
    url = settings.sqlalchemy_url.update_query_dict(
        {"options": "-c default_transaction_isolation=serializable"}
    )
    strict = Settings.model_validate({"database_url": url.render_as_string(hide_password=False)})
    for statement in REFUSE_ANOTHER_ISOLATION:
        await async_db_session.execute(text(statement))
    await write(async_db_session, uuid4())
    async with relay_of(strict) as relay:
        done = await relay.round()

    assert done.published == 1
