import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session

from cos.db.engine import service_engine
from cos.models import DeadLetter
from cos.services import dead_letters
from cos.services.errors import DeadLetterInHandError, UnknownDeadLetterError
from cos.settings import Settings
from testkit.core.naming import UniqueNames
from tests.cos.factories import DeadLetterFactory


@pytest.fixture
async def sessions(settings: Settings) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Sessions as the service has them, which wait for no lock longer than 50 ms."""
    engine = service_engine(settings.model_copy(update={"lock_timeout": 0.05}))
    yield async_sessionmaker(engine, expire_on_commit=False)
    await engine.dispose()


async def test_pages_lead_from_the_newest_to_the_oldest(
    async_db_session: AsyncSession, unique: UniqueNames
) -> None:
    group = unique("group")
    made = [DeadLetterFactory.create(group_name=group).id for _ in range(5)]
    DeadLetterFactory.create()
    seen: list[int] = []
    after, sizes = None, []
    while True:
        page = await dead_letters.page(async_db_session, limit=2, after=after, group=group)
        seen += [letter.id for letter in page.letters]
        sizes.append(len(page.letters))
        if page.next is None:
            break
        after = page.next

    assert (seen, sizes) == (made[::-1], [2, 2, 1])
    assert await dead_letters.count(async_db_session, group) == 5
    assert await dead_letters.count(async_db_session) == 6


async def test_letters_are_found_by_module(async_db_session: AsyncSession) -> None:
    letter, _ = DeadLetterFactory.create_batch(2)
    page = await dead_letters.page(async_db_session, limit=9, module_id=letter.module_id)

    assert [found.id for found in page.letters] == [letter.id]


async def test_a_second_request_for_a_replay_changes_nothing(
    sessions: async_sessionmaker[AsyncSession],
) -> None:
    letter = DeadLetterFactory.create()
    moments = []
    for _ in range(2):
        async with sessions.begin() as session:
            marked = await dead_letters.request_replay(session, letter.id)
            moments.append(marked.replay_requested_at)

    assert moments[0] is not None
    assert moments[0] == moments[1]


async def test_of_concurrent_drops_one_succeeds(sessions: async_sessionmaker[AsyncSession]) -> None:
    letter = DeadLetterFactory.create()

    async def drop() -> bool:
        try:
            async with sessions.begin() as session:
                await dead_letters.drop(session, letter.id)
        except UnknownDeadLetterError:
            return False
        return True

    assert sorted(await asyncio.gather(*(drop() for _ in range(5)))) == [False] * 4 + [True]


async def test_what_is_being_replayed_is_left_alone(
    sessions: async_sessionmaker[AsyncSession], db_session: Session, unique: UniqueNames
) -> None:
    group = unique("group")
    held, free = DeadLetterFactory.create_batch(2, group_name=group)
    async with sessions() as subscriber:
        await subscriber.execute(select(DeadLetter).filter_by(id=held.id).with_for_update())
        for refused in (dead_letters.drop, dead_letters.request_replay):
            with pytest.raises(DeadLetterInHandError, match=f"Dead letter {held.id} is being"):
                async with sessions.begin() as session:
                    await refused(session, held.id)
        async with sessions.begin() as session:
            marked = await dead_letters.request_replays(session, group)
            dropped = await dead_letters.drop_all(session, group)
        await subscriber.rollback()

    assert (marked, dropped) == (1, 1)
    assert db_session.scalars(select(DeadLetter.id)).all() == [held.id]
    assert free.id != held.id


@pytest.mark.parametrize("mine", [True, False])
async def test_all_means_all_of_a_group_or_of_every_group(
    sessions: async_sessionmaker[AsyncSession], db_session: Session, *, mine: bool
) -> None:
    letter, other = DeadLetterFactory.create_batch(2)
    group = letter.group_name if mine else None
    async with sessions.begin() as session:
        marked = await dead_letters.request_replays(session, group)
    async with sessions.begin() as session:
        dropped = await dead_letters.drop_all(session, group)

    assert marked == dropped == (1 if mine else 2)
    assert db_session.scalars(select(DeadLetter.id)).all() == ([other.id] if mine else [])


async def test_an_unknown_letter_is_told(async_db_session: AsyncSession) -> None:
    for ask in (dead_letters.get, dead_letters.drop, dead_letters.request_replay):
        with pytest.raises(UnknownDeadLetterError, match="There is no dead letter 17;"):
            await ask(async_db_session, 17)

    assert await dead_letters.count(async_db_session) == 0
