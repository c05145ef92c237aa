"""Dead letters: finding them, having them replayed, dropping them.

A subscriber of the group replays what is marked, within a second or so; this only marks.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from cos.events.subscribing.unavailability import is_lock_timeout
from cos.models import DeadLetter
from cos.services.errors import DeadLetterInHandError, UnknownDeadLetterError

__all__ = [
    "LetterPage",
    "count",
    "drop",
    "drop_all",
    "get",
    "page",
    "request_replay",
    "request_replays",
]


@dataclass(frozen=True, slots=True)
class LetterPage:
    """Dead letters, newest first; ``next`` is the id to go on after, None on the last page."""

    letters: Sequence[DeadLetter]
    next: int | None


async def page(
    session: AsyncSession,
    *,
    limit: int,
    after: int | None = None,
    group: str | None = None,
    module_id: UUID | None = None,
) -> LetterPage:
    """Return up to ``limit`` letters, newest first, that follow the one with the id ``after``."""
    statement = select(DeadLetter).order_by(DeadLetter.id.desc()).limit(limit + 1)
    if after is not None:
        statement = statement.where(DeadLetter.id < after)
    if group is not None:
        statement = statement.where(DeadLetter.group_name == group)
    if module_id is not None:
        statement = statement.where(DeadLetter.module_id == module_id)
    letters = (await session.scalars(statement)).all()
    return LetterPage(letters[:limit], letters[limit - 1].id if len(letters) > limit else None)


async def count(session: AsyncSession, group: str | None = None) -> int:
    """Return how many letters there are, of ``group`` or of all."""
    statement = select(func.count()).select_from(DeadLetter)
    if group is not None:
        statement = statement.where(DeadLetter.group_name == group)
    return (await session.scalars(statement)).one()


async def get(session: AsyncSession, letter_id: int) -> DeadLetter:
    """Return the letter; raise `UnknownDeadLetterError` if there is none."""
    letter = await session.get(DeadLetter, letter_id)
    if letter is None:
        raise UnknownDeadLetterError(letter_id)
    return letter


async def request_replay(session: AsyncSession, letter_id: int) -> DeadLetter:
    """Mark the letter for a replay and return it; one that is marked keeps its place in the row.

    Raises `UnknownDeadLetterError`, and `DeadLetterInHandError` when a replay of it does not end
    within the connection's ``lock_timeout``.
    """
    async with _waiting_for(letter_id):
        letter: DeadLetter | None = await session.scalar(
            update(DeadLetter)
            .where(DeadLetter.id == letter_id)
            .values(replay_requested_at=func.coalesce(DeadLetter.replay_requested_at, func.now()))
            .returning(DeadLetter)
        )
    if letter is None:
        raise UnknownDeadLetterError(letter_id)
    return letter


async def request_replays(session: AsyncSession, group: str | None = None) -> int:
    """Mark the letters of ``group``, or all; return how many. Those being replayed are left out."""
    marked = await session.scalars(
        update(DeadLetter)
        .where(_free(group))
        .values(replay_requested_at=func.coalesce(DeadLetter.replay_requested_at, func.now()))
        .returning(DeadLetter.id)
        .execution_options(synchronize_session=False)
    )
    return len(marked.all())


async def drop(session: AsyncSession, letter_id: int) -> None:
    """Delete the letter; of concurrent calls exactly one does. Raises as `request_replay`."""
    async with _waiting_for(letter_id):
        dropped = await session.scalar(
            delete(DeadLetter).where(DeadLetter.id == letter_id).returning(DeadLetter.id)
        )
    if dropped is None:
        raise UnknownDeadLetterError(letter_id)


async def drop_all(session: AsyncSession, group: str | None = None) -> int:
    """Delete the letters of ``group``, or all; return how many. Those being replayed are left."""
    dropped = await session.scalars(
        delete(DeadLetter)
        .where(_free(group))
        .returning(DeadLetter.id)
        .execution_options(synchronize_session=False)
    )
    return len(dropped.all())


def _free(group: str | None) -> ColumnElement[bool]:
    free = select(DeadLetter.id).with_for_update(skip_locked=True)
    if group is not None:
        free = free.where(DeadLetter.group_name == group)
    return DeadLetter.id.in_(select(free.cte("free").c.id))


@asynccontextmanager
async def _waiting_for(letter_id: int) -> AsyncIterator[None]:
    try:
        yield
    except OperationalError as error:
        if is_lock_timeout(error):
            raise DeadLetterInHandError(letter_id) from error
        raise
