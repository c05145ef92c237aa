import asyncio
import uuid

import pytest
from sqlalchemy import select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from cos.events.subscribing import progress
from cos.events.subscribing.progress import (
    Lagging,
    Turn,
    advance,
    begin_group,
    lagging,
    lock,
    pass_over,
)
from cos.events.subscribing.standing import Again, Behind, Done
from cos.models import Subscription
from testkit.core.naming import UniqueNames
from tests.cos.events.subscribers import Sessions, event, store, until

POSTGRES = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy carries no types here


@pytest.fixture
async def group(sessions: Sessions, unique: UniqueNames) -> str:
    """A group that has begun."""
    name = unique("group")
    async with sessions.begin() as session:
        await begin_group(session, name, start="now")
    return name


async def test_a_first_event_makes_the_row_and_the_next_try_is_its_turn(
    sessions: Sessions, group: str
) -> None:
    first = event(uuid.uuid4(), 1)
    outcomes = []
    for _ in range(3):
        async with sessions.begin() as session:
            outcomes.append(await advance(session, group, first, idle_limit=1))

    assert outcomes == [Again(), Turn(1), Done(dropped=True)]


async def test_a_later_event_is_behind_what_is_retained(sessions: Sessions, group: str) -> None:
    module = uuid.uuid4()
    events = await store(sessions, module, 4, 5, 6)
    outcomes = []
    for _ in range(2):
        async with sessions.begin() as session:
            outcomes.append(await advance(session, group, events[2], idle_limit=1))

    assert outcomes == [Again(), Behind(3)]


async def test_processes_that_begin_a_group_at_once_settle_one_beginning(
    sessions: Sessions, unique: UniqueNames
) -> None:
    name, module = unique("group"), uuid.uuid4()
    await store(sessions, module, 1, 2, 3)

    async def begin() -> int:
        async with sessions.begin() as session:
            return await begin_group(session, name, start="now")

    rewinds = await asyncio.gather(*(begin() for _ in range(5)))
    async with sessions.begin() as session:
        rows = (await session.scalars(select(Subscription))).all()

    assert rewinds == [0] * 5
    assert [(row.group_name, row.module_id, row.sequence) for row in rows] == [(name, module, 3)]


async def test_a_group_that_begins_with_everything_has_no_progress(
    sessions: Sessions, unique: UniqueNames
) -> None:
    name, module = unique("group"), uuid.uuid4()
    await store(sessions, module, 2, 3)
    async with sessions.begin() as session:
        await begin_group(session, name, start="beginning")
        found = await lagging(session, name)

    assert found == [Lagging(module, 0, 3)]


async def test_lagging_modules_are_found_with_their_newest_event(
    sessions: Sessions, group: str
) -> None:
    done, behind, new = (uuid.uuid4() for _ in range(3))
    for module, stored in ((done, 3), (behind, 1)):
        async with sessions.begin() as session:
            session.add(Subscription(group_name=group, module_id=module, sequence=stored))
    for module in (done, behind, new):
        await store(sessions, module, 1, 2, 3)
    async with sessions.begin() as session:
        found = await lagging(session, group)

    assert sorted(found, key=lambda each: each.stored) == [
        Lagging(new, 0, 3),
        Lagging(behind, 1, 3),
    ]


async def test_the_newest_events_are_found_along_an_index(sessions: Sessions) -> None:
    newest = progress._newest()
    query = select(newest.c.module_id, newest.c.sequence).compile(
        dialect=POSTGRES, compile_kwargs={"literal_binds": True}
    )
    async with sessions.begin() as session:
        # Of an empty table anything else would be as cheap.
        for way in ("seqscan", "sort", "bitmapscan"):
            await session.execute(text(f"SET LOCAL enable_{way} = off"))
        lines = "\n".join(await session.scalars(text(f"EXPLAIN {query}")))

    assert lines.count("Index Only Scan Backward using uq_events_module_id_sequence") == 2
    assert "Sort" not in lines


async def test_the_lock_of_a_frozen_process_ends_with_its_idle_limit(
    sessions: Sessions, group: str
) -> None:
    module = uuid.uuid4()
    first = event(module, 1)
    async with sessions.begin() as session:
        await advance(session, group, first, idle_limit=1)
    async with sessions() as frozen:
        assert await advance(frozen, group, first, idle_limit=0.05) == Turn(1)
        pid = await frozen.scalar(text("SELECT pg_backend_pid()"))

        async def is_gone() -> bool:
            async with sessions.begin() as session:
                statement = text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid")
                return not await session.scalar(statement, {"pid": pid})

        await until(is_gone)
        async with sessions.begin() as session:
            turn = await advance(session, group, first, idle_limit=1)
        await frozen.invalidate()

    assert turn == Turn(1)


async def test_what_somebody_else_passed_over_is_passed_over_once(
    sessions: Sessions, group: str
) -> None:
    module = uuid.uuid4()
    async with sessions.begin() as session:
        session.add(Subscription(group_name=group, module_id=module, sequence=2))

    async def pass_to_five(session: AsyncSession) -> bool:
        return await pass_over(session, group, module, after=2, before=6)

    async with sessions.begin() as session:
        answers = [await pass_to_five(session), await pass_to_five(session)]
        is_next, failures = await lock(session, group, event(module, 6))

    assert answers == [True, False]
    assert (is_next, failures) == (True, 0)
