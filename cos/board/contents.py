"""Reading what the parts of the board show.

A part that could not be read says so in its ``trouble``; the others are shown all the same.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final, TypeVar
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.exc import InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cos.board.rows import (
    DeadRow,
    EventRow,
    Filter,
    ModuleRow,
    Part,
    Summary,
    dead_row,
    event_row,
    module_row,
    summary_of,
)
from cos.db.violations import lacks_schema
from cos.events.publishing.backlog import measure
from cos.events.publishing.guard import Circuit
from cos.models import DeadLetter, Module, OutboxEvent
from cos.services import cursor, health, modules

__all__ = ["dead_part", "events_part", "modules_part", "summary_part"]

UNREACHABLE: Final = "The database cannot be reached just now. It is tried again."
SCHEMA_MISSING: Final = (
    "The database has no schema, or that of an older version. Whoever runs this control center:"
    " python -m cos migrate."
)
LOST: Final = (OperationalError, InterfaceError, PoolTimeoutError)
EVENTS: Final = 50
DEAD_LETTERS: Final = 20
MODULES: Final = 50

Sessions = async_sessionmaker[AsyncSession]
Found = TypeVar("Found")
Row = TypeVar("Row")


async def modules_part(sessions: Sessions, chosen: Filter) -> Part[ModuleRow]:
    """Return a page of modules. Raises `InvalidCursorError` for a cursor that nobody gave out."""
    after = cursor.decode(chosen.cursor) if chosen.cursor else None

    async def read(session: AsyncSession) -> Part[ModuleRow]:
        now = await _now(session)
        page = await modules.page(
            session,
            limit=MODULES,
            after=after,
            search=chosen.search,
            state=chosen.state,
        )
        return Part(
            [module_row(module, now=now) for module in page.modules],
            empty=chosen.nothing,
            cursor=chosen.cursor,
            first_link=chosen.link(),
            next_link=chosen.link(cursor=cursor.encode(page.next)) if page.next else "",
        )

    def otherwise(trouble: str) -> Part[ModuleRow]:
        return Part(trouble=trouble, cursor=chosen.cursor)

    return await _or(otherwise, sessions, read)


async def events_part(sessions: Sessions) -> Part[EventRow]:
    """Return the newest events, the last one first."""

    async def read(session: AsyncSession) -> Part[EventRow]:
        now = await _now(session)
        newest = select(OutboxEvent).order_by(OutboxEvent.position.desc()).limit(EVENTS)
        found = (await session.scalars(newest)).all()
        names = await _names(session, {event.module_id for event in found})
        return Part([event_row(event, names.get(event.module_id), now=now) for event in found])

    return await _or(_part, sessions, read)


async def dead_part(sessions: Sessions) -> Part[DeadRow]:
    """Return the newest dead letters of all groups."""

    async def read(session: AsyncSession) -> Part[DeadRow]:
        now = await _now(session)
        newest = select(DeadLetter).order_by(DeadLetter.id.desc()).limit(DEAD_LETTERS + 1)
        found = (await session.scalars(newest)).all()
        rows = [dead_row(letter, now=now) for letter in found[:DEAD_LETTERS]]
        more = "There are more: python -m cos dlq list" if len(found) > DEAD_LETTERS else ""
        return Part(rows, more=more)

    return await _or(_part, sessions, read)


async def summary_part(
    sessions: Sessions, circuit: Circuit, *, offline_after: timedelta, now: datetime | None
) -> Summary:
    """Return how everything is together."""

    async def read(session: AsyncSession) -> Summary:
        system = await health.of_system(session, offline_after=offline_after, now=now)
        return summary_of(system, await measure(session), circuit, trouble="")

    def otherwise(trouble: str) -> Summary:
        return summary_of(None, None, circuit, trouble=trouble)

    return await _or(otherwise, sessions, read)


async def _or(
    otherwise: Callable[[str], Found],
    sessions: Sessions,
    read: Callable[[AsyncSession], Awaitable[Found]],
) -> Found:
    """Return what ``read`` returns, or ``otherwise`` of why the database did not serve it."""
    try:
        async with sessions.begin() as session:
            return await read(session)
    except LOST:
        return otherwise(UNREACHABLE)
    except ProgrammingError as error:
        if not lacks_schema(error):
            raise
        return otherwise(SCHEMA_MISSING)


def _part(trouble: str) -> Part[Row]:
    return Part(trouble=trouble)


async def _now(session: AsyncSession) -> datetime:
    # The clock that the rows were written by.
    return (await session.scalars(select(func.now()))).one()


async def _names(session: AsyncSession, ids: set[UUID]) -> dict[UUID, str]:
    if not ids:
        return {}
    found = await session.execute(select(Module.id, Module.name).where(Module.id.in_(ids)))
    return {row.id: row.name for row in found}
