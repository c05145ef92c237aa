"""Attempts, back-off, dead letters and what is no attempt; on Postgres alone, without any stream."""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cos.db.engine import service_engine
from cos.events.event import from_fields
from cos.events.subscriber import Delivery, SubscriberSettings
from cos.events.subscribing.facts import SubscriberFacts
from cos.events.subscribing.failure import Unprocessable
from cos.events.subscribing.handling import Handling
from cos.events.subscribing.progress import begin_group
from cos.models import Subscription
from cos.settings import Settings
from testkit.core.naming import UniqueNames
from tests.cos.events.subscribers import (
    QUICK,
    Sessions,
    event,
    handled,
    letters,
    record,
    store,
    until,
    until_true,
)


@dataclass(slots=True)
class Handler:
    """Records deliveries; ``before`` may fail first."""

    group: str
    before: Callable[[Delivery], Awaitable[None]] | None = None
    attempts: list[int] = field(default_factory=list)

    async def __call__(self, delivery: Delivery) -> None:
        self.attempts.append(delivery.attempt)
        await record(delivery, self.group)
        if self.before is not None:
            await self.before(delivery)


class Handled:
    """A `Handling` and what belongs to it."""

    def __init__(
        self, sessions: Sessions, handler: Handler, settings: SubscriberSettings = QUICK
    ) -> None:
        self.facts = SubscriberFacts()
        self.stop = asyncio.Event()
        self.handler = handler
        self.handling = Handling(
            handler.group,
            handler,
            sessions=sessions,
            settings=settings,
            facts=self.facts,
            stop=self.stop,
        )
        self.settle = self.handling.settle


@pytest.fixture
async def group(sessions: Sessions, unique: UniqueNames) -> str:
    """A group that has begun."""
    name = unique("group")
    async with sessions.begin() as session:
        await begin_group(session, name, start="now")
    return name


@pytest.fixture
async def impatient(settings: Settings) -> AsyncIterator[Sessions]:
    """Sessions that wait for no lock longer than 20 ms."""
    engine = service_engine(settings.model_copy(update={"lock_timeout": 0.02}))
    yield async_sessionmaker(engine, expire_on_commit=False)
    await engine.dispose()


def _failing(times: int, error: Exception) -> Callable[[Delivery], Awaitable[None]]:
    left = iter(range(times))

    async def fail(_delivery: Delivery) -> None:
        if next(left, None) is not None:
            raise error

    return fail


async def test_a_failed_attempt_leaves_nothing_and_is_repeated(
    sessions: Sessions, group: str
) -> None:
    module = uuid.uuid4()
    one = Handled(sessions, Handler(group, _failing(2, ValueError("not yet"))))

    assert await one.settle(event(module, 1))
    assert one.handler.attempts == [1, 2, 3]
    assert await handled(sessions, group, module) == [1]
    assert (one.facts.handled, one.facts.retried, one.facts.dead) == (1, 2, 0)


async def test_after_the_last_attempt_it_is_a_dead_letter_and_the_module_goes_on(
    sessions: Sessions, group: str
) -> None:
    module = uuid.uuid4()
    one = Handled(sessions, Handler(group, _failing(5, ValueError("redis://u:hunter2@h/"))))
    first = event(module, 1)
    await one.settle(first)
    await one.settle(event(module, 2))
    (letter,) = await letters(sessions, group)

    assert one.handler.attempts == [1, 2, 3, 4, 5, 1]
    assert await handled(sessions, group, module) == [2]
    assert from_fields(letter.fields) == first
    assert (letter.event_id, letter.module_id, letter.sequence) == (first.id, module, 1)
    assert (letter.type, letter.occurred_at) == (first.type, first.occurred_at)
    assert (letter.attempts, letter.replays, letter.entry) == (5, 0, None)
    assert letter.reason.startswith("ValueError: redis://***@h/ (test_handling.py:")
    assert letter.first_failed_at < letter.last_failed_at
    assert (one.facts.retried, one.facts.dead) == (4, 1)


async def test_what_cannot_be_processed_is_a_dead_letter_at_once(
    sessions: Sessions, group: str
) -> None:
    one = Handled(sessions, Handler(group, _failing(1, Unprocessable("of another age"))))
    await one.settle(event(uuid.uuid4(), 1))
    (letter,) = await letters(sessions, group)

    assert one.handler.attempts == [1]
    assert letter.attempts == 1
    assert "Unprocessable: of another age" in letter.reason


async def test_attempts_are_counted_over_all_processes_and_restarts(
    sessions: Sessions, group: str
) -> None:
    never = _failing(100, ValueError())
    waits = replace(QUICK, retry_base=3_600.0, retry_cap=3_600.0)
    first = Handled(sessions, Handler(group, never), waits)
    made = event(uuid.uuid4(), 1)
    task = asyncio.create_task(first.settle(made))
    await until_true(lambda: first.handling.resting)
    first.stop.set()
    unfinished = not await task
    # Another process waits for the same moment; only when that has come does it try.
    second = Handled(sessions, Handler(group, never), waits)
    task = asyncio.create_task(second.settle(made))
    await until_true(lambda: second.handling.resting)
    second.stop.set()
    await task
    async with sessions.begin() as session:
        await session.execute(update(Subscription).values(not_before=None))
        await session.execute(update(Subscription).values(not_before=Subscription.updated_at))
    third = Handled(sessions, Handler(group, never))
    await third.settle(made)

    assert unfinished
    assert (first.handler.attempts, second.handler.attempts) == ([1], [])
    assert third.handler.attempts == [2, 3, 4, 5]


async def test_a_module_that_waits_has_no_connection_and_keeps_no_other_waiting(
    sessions: Sessions, group: str
) -> None:
    waits = replace(QUICK, retry_base=3_600.0, retry_cap=3_600.0, concurrency=1)
    bad, good = uuid.uuid4(), uuid.uuid4()

    async def fail(delivery: Delivery) -> None:
        if delivery.event.module_id == bad:
            raise ValueError

    one = Handled(sessions, Handler(group, fail), waits)
    task = asyncio.create_task(one.settle(event(bad, 1)))
    await until_true(lambda: one.handling.resting)

    assert await one.settle(event(good, 1))
    assert one.handling.resting == {bad}
    one.stop.set()
    assert await task is False


async def test_a_handler_that_takes_too_long_is_cancelled_and_that_is_an_attempt(
    sessions: Sessions, group: str
) -> None:
    cancelled: list[int] = []

    async def hang(delivery: Delivery) -> None:
        if delivery.attempt < 3:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.append(delivery.attempt)

    module = uuid.uuid4()
    one = Handled(sessions, Handler(group, hang), replace(QUICK, timeout=0.05))
    await one.settle(event(module, 1))

    assert cancelled == [1, 2]
    assert await handled(sessions, group, module) == [1]


async def test_a_dead_letter_says_that_it_took_too_long(sessions: Sessions, group: str) -> None:
    async def hang(_delivery: Delivery) -> None:
        await asyncio.Event().wait()

    settings = replace(QUICK, timeout=0.05, max_attempts=1)
    await Handled(sessions, Handler(group, hang), settings).settle(event(uuid.uuid4(), 1))
    (letter,) = await letters(sessions, group)

    assert "HandlerTimeoutError: no end within 0.05 s" in letter.reason


@pytest.mark.parametrize("ending", ["commit", "rollback", "close"])
async def test_a_handler_that_ends_the_transaction_is_told(
    sessions: Sessions, group: str, ending: str
) -> None:
    async def end(delivery: Delivery) -> None:
        await getattr(delivery.session, ending)()

    module = uuid.uuid4()
    one = Handled(sessions, Handler(group, end), replace(QUICK, max_attempts=1))
    await one.settle(event(module, 1))
    dead = await letters(sessions, group)
    done = await handled(sessions, group, module)

    # After a commit it is done; it must not be done a second time.
    assert (len(dead), done) == ((0, [1]) if ending == "commit" else (1, []))
    assert all("committed or rolled back the session" in letter.reason for letter in dead)


async def test_a_part_that_fails_in_a_savepoint_is_the_handlers_own_affair(
    sessions: Sessions, group: str
) -> None:
    async def try_out(delivery: Delivery) -> None:
        with suppress(ZeroDivisionError):
            async with delivery.session.begin_nested():
                await record(delivery, group)
                raise ZeroDivisionError

    module = uuid.uuid4()
    one = Handled(sessions, Handler(group, try_out))
    await one.settle(event(module, 1))

    assert await handled(sessions, group, module) == [1]


async def test_a_task_of_the_handlers_own_that_was_cancelled_is_a_failure(
    sessions: Sessions, group: str
) -> None:
    async def await_a_cancelled_task(_delivery: Delivery) -> None:
        task = asyncio.create_task(asyncio.Event().wait())
        task.cancel()
        await task

    settings = replace(QUICK, max_attempts=1)
    one = Handled(sessions, Handler(group, await_a_cancelled_task), settings)
    await one.settle(event(uuid.uuid4(), 1))
    (letter,) = await letters(sessions, group)

    assert "the handler waited for a task that was cancelled" in letter.reason


async def test_a_constraint_that_refuses_at_the_commit_is_a_failed_attempt(
    sessions: Sessions, group: str
) -> None:
    async with sessions.begin() as session:
        await session.execute(
            text("ALTER TABLE modules ADD UNIQUE (version) DEFERRABLE INITIALLY DEFERRED")
        )

    async def again(delivery: Delivery) -> None:
        await record(delivery, group)

    one = Handled(sessions, Handler(group, again), replace(QUICK, max_attempts=2))
    await one.settle(event(uuid.uuid4(), 1))
    (letter,) = await letters(sessions, group)

    assert one.handler.attempts == [1, 2]
    assert "UniqueViolation" in letter.reason


async def _terminate(session: AsyncSession, sessions: Sessions) -> None:
    """End the session's connection, as a restart of Postgres does."""
    pid = await session.scalar(text("SELECT pg_backend_pid()"))
    async with sessions.begin() as other:
        await other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})


async def test_a_connection_that_is_lost_while_handling_is_no_attempt(
    sessions: Sessions, group: str, caplog: pytest.LogCaptureFixture
) -> None:
    lost = iter(range(4))

    async def lose(delivery: Delivery) -> None:
        if next(lost, None) is not None:
            await _terminate(delivery.session, sessions)

    module = uuid.uuid4()
    one = Handled(sessions, Handler(group, lose), replace(QUICK, max_attempts=2))
    await one.settle(event(module, 1))

    assert one.handler.attempts == [1, 1, 1, 1, 1]
    assert (one.facts.retried, one.facts.dead) == (0, 0)
    assert await handled(sessions, group, module) == [1]
    assert "the database did not serve" in caplog.text


async def test_a_transaction_that_the_handler_left_idle_for_too_long_is_an_attempt(
    sessions: Sessions, group: str
) -> None:
    async def idle(delivery: Delivery) -> None:
        session = delivery.session
        pid = await session.scalar(text("SELECT pg_backend_pid()"))
        await session.execute(text("SET LOCAL idle_in_transaction_session_timeout = 10"))

        async def is_ended() -> bool:
            async with sessions.begin() as other:
                statement = text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid")
                return not await other.scalar(statement, {"pid": pid})

        await until(is_ended)
        await session.execute(text("SELECT 1"))

    one = Handled(sessions, Handler(group, idle), replace(QUICK, max_attempts=2))
    await one.settle(event(uuid.uuid4(), 1))
    (letter,) = await letters(sessions, group)

    assert one.handler.attempts == [1, 2]
    assert "IdleInTransactionSessionTimeout" in letter.reason


async def test_a_lock_that_a_frozen_process_holds_is_no_attempt(
    sessions: Sessions, impatient: Sessions, group: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "cos.events.subscribing.handling")
    module = uuid.uuid4()
    one = Handled(impatient, Handler(group), replace(QUICK, max_attempts=1))
    await one.settle(event(module, 1))
    async with sessions() as frozen:
        await frozen.execute(select(Subscription).with_for_update())
        task = asyncio.create_task(one.settle(event(module, 2)))
        await until_true(lambda: caplog.text.count("LockNotAvailable") >= 2)
        meanwhile = list(one.handler.attempts)
        await frozen.rollback()
    await task

    assert (meanwhile, one.handler.attempts) == ([1], [1, 1])
    assert await handled(sessions, group, module) == [1, 2]
    assert (one.facts.retried, one.facts.dead) == (0, 0)


async def test_nothing_begins_after_the_stop(sessions: Sessions, group: str) -> None:
    one = Handled(sessions, Handler(group))
    one.stop.set()

    assert not await one.settle(event(uuid.uuid4(), 1))
    assert one.handler.attempts == []


@pytest.mark.slow
@hypothesis_settings(
    max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(arriving=st.lists(st.integers(1, 6), min_size=1, max_size=12), size=st.integers(1, 3))
async def test_whatever_arrives_wherever_each_event_is_handled_once_and_in_order(
    sessions: Sessions, group: str, arriving: list[int], size: int
) -> None:
    module = uuid.uuid4()
    events = await store(sessions, module, *range(1, max(arriving) + 1))
    processes = [Handled(sessions, Handler(group)) for _ in range(size)]

    async def work(place: int) -> None:
        for sequence in arriving[place::size]:
            await processes[place].settle(events[sequence - 1])

    await asyncio.gather(*map(work, range(size)))

    assert await handled(sessions, group, module) == list(range(1, max(arriving) + 1))
