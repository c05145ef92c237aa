import asyncio
import itertools
from collections import Counter

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session

from cos.models import HealthState, HealthStatus, Module, OutboxEvent
from cos.services import modules
from cos.services.examples import EXAMPLES, Examples, moves
from tests.cos.factories import ModuleFactory

LONG = 30.0


def test_every_example_beats_and_some_fall_ill_or_silent_or_release() -> None:
    made = [(tick, move) for tick in range(200) for move in moves(EXAMPLES, tick)]
    beats = Counter(move.name for _, move in made if move.heartbeat)
    ill = {
        move.name
        for _, move in made
        if move.heartbeat and move.heartbeat.status is HealthState.DEGRADED
    }
    gaps = {
        name: max(
            later - earlier
            for times in [[tick for tick, move in made if move.name == name and move.heartbeat]]
            for earlier, later in itertools.pairwise(times)
        )
        for name in beats
    }

    assert beats.keys() == {example.name for example in EXAMPLES}
    assert ill == {example.name for example in EXAMPLES if example.ill}
    assert {name for name, gap in gaps.items() if gap > 30} == {"voice"}
    assert {move.name for _, move in made if move.version} == {"music", "review"}


def test_the_same_tick_has_the_same_moves() -> None:
    assert list(moves(EXAMPLES, 17)) == list(moves(EXAMPLES, 17))


def test_no_version_is_given_twice() -> None:
    given = [
        (move.name, move.version)
        for tick in range(500)
        for move in moves(EXAMPLES, tick)
        if move.version
    ]

    assert len(given) == len(set(given)) > 10


async def test_the_examples_are_registered_once(
    sessions: async_sessionmaker[AsyncSession], db_session: Session
) -> None:
    first = await Examples(sessions).register()
    second = await Examples(sessions).register()

    assert first == second
    assert sorted(first) == sorted(db_session.scalars(select(Module.name)))


async def test_a_module_of_the_same_name_that_is_no_example_is_left_alone(
    sessions: async_sessionmaker[AsyncSession], db_session: Session
) -> None:
    taken = EXAMPLES[0].name
    mine = ModuleFactory.create(name=taken)
    known = await Examples(sessions).register()

    assert taken not in known
    assert len(known) == len(EXAMPLES) - 1
    assert db_session.get_one(Module, mine.id).event_sequence == 0


async def test_they_live_until_they_are_stopped_and_one_that_was_removed_stays_away(
    sessions: async_sessionmaker[AsyncSession], db_session: Session
) -> None:
    known = await Examples(sessions).register()
    async with sessions.begin() as session:
        await modules.remove(session, known["studio"])
    # Removed between the look at the modules and the move.
    living, stop = Examples(sessions, tick=0.001), asyncio.Event()
    task = asyncio.create_task(living.run(stop))
    async with asyncio.timeout(LONG):
        while db_session.scalar(select(HealthStatus).limit(1)) is None:
            db_session.rollback()
            await asyncio.wait({task}, timeout=0.01)
        again = db_session.scalars(select(Module).where(Module.name == "studio")).one()
        async with sessions.begin() as session:
            await modules.remove(session, again.id)
        db_session.rollback()
        while len(db_session.scalars(select(HealthStatus)).all()) < len(EXAMPLES) - 1:
            db_session.rollback()
            await asyncio.wait({task}, timeout=0.01)
        stop.set()
        await task
    told = db_session.scalars(select(OutboxEvent.type))

    assert "studio" not in db_session.scalars(select(Module.name)).all()
    assert "module.registered" in told
