"""The events of the outbox: finding them, publishing them again, setting a group back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Subquery, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cos.models import OutboxEvent, Subscription, SubscriptionGroup
from cos.models.outbox_event import NOTIFICATION
from cos.services.errors import UnknownGroupError

__all__ = ["EventPage", "Selection", "count", "count_done", "groups", "page", "republish", "rewind"]

# Rows of one statement: a selection of any size stays below the connection's statement_timeout.
BATCH: Final = 5_000


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events; what is None does not matter. ``since`` is compared with ``occurred_at``."""

    module_id: UUID | None = None
    type: str | None = None
    since: datetime | None = None
    sequence: int | None = None

    @property
    def conditions(self) -> list[ColumnElement[bool]]:
        """What a row of ``events`` has to fulfil; ``sequence`` is the first one."""
        found: list[ColumnElement[bool]] = []
        if self.module_id is not None:
            found.append(OutboxEvent.module_id == self.module_id)
        if self.type is not None:
            found.append(OutboxEvent.type == self.type)
        if self.since is not None:
            found.append(OutboxEvent.occurred_at >= self.since)
        if self.sequence is not None:
            found.append(OutboxEvent.sequence >= self.sequence)
        return found


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events in the order asked for; ``next`` is the position to go on after, None at the end."""

    events: Sequence[OutboxEvent]
    next: int | None


async def page(
    session: AsyncSession,
    selection: Selection,
    *,
    limit: int,
    after: int | None = None,
    oldest_first: bool = False,
) -> EventPage:
    """Return up to ``limit`` events, newest first by default, that follow the position ``after``.

    With ``oldest_first``, an event that commits late may have a position that a reader has passed:
    what must not miss any is a subscriber.
    """
    position = OutboxEvent.position
    statement = select(OutboxEvent).where(*selection.conditions).limit(limit + 1)
    if after is not None:
        statement = statement.where(position > after if oldest_first else position < after)
    rows = (
        await session.scalars(statement.order_by(position if oldest_first else position.desc()))
    ).all()
    return EventPage(rows[:limit], rows[limit - 1].position if len(rows) > limit else None)


async def count(session: AsyncSession, selection: Selection) -> int:
    """Return how many retained events there are."""
    statement = select(func.count()).select_from(OutboxEvent).where(*selection.conditions)
    return (await session.scalars(statement)).one()


async def count_done(session: AsyncSession, group: str, selection: Selection) -> int:
    """Return how many events ``group`` would handle again after `rewind` with this selection.

    Raises `UnknownGroupError`.
    """
    if group not in (known := await groups(session)):
        raise UnknownGroupError(group, known)
    first = _first(selection)
    statement = (
        select(func.count())
        .select_from(OutboxEvent)
        .join(first, first.c.module_id == OutboxEvent.module_id)
        .join(
            Subscription,
            (Subscription.module_id == OutboxEvent.module_id) & (Subscription.group_name == group),
        )
        .where(OutboxEvent.sequence.between(first.c.sequence, Subscription.sequence))
    )
    return (await session.scalars(statement)).one()


async def republish(session: AsyncSession, selection: Selection, *, batch: int = BATCH) -> int:
    """Have the relay publish the events again, and return how many were published before.

    Groups drop what they have done: this is for those who follow the streams or the channel, and
    for a group that was set back.
    """
    chosen = (
        select(OutboxEvent.position)
        .where(OutboxEvent.published_at.is_not(None), *selection.conditions)
        .order_by(OutboxEvent.position)
        .limit(batch)
        .with_for_update()
        .cte("chosen")
    )
    total = 0
    while True:
        again = await session.scalars(
            update(OutboxEvent)
            .where(OutboxEvent.position.in_(select(chosen.c.position)))
            .values(published_at=None, stream_id=None)
            .returning(OutboxEvent.position)
            .execution_options(synchronize_session=False)
        )
        done = len(again.all())
        total += done
        if done < batch:
            break
    # The trigger of the table tells of new rows only.
    await session.execute(select(func.pg_notify(NOTIFICATION, "")))
    return total


async def groups(session: AsyncSession) -> Sequence[str]:
    """Return the groups that ever started, by name."""
    return (
        await session.scalars(select(SubscriptionGroup.name).order_by(SubscriptionGroup.name))
    ).all()


async def rewind(session: AsyncSession, group: str, selection: Selection) -> int:
    """Set ``group`` back to just before the first selected event of each module.

    Running subscribers handle these events again, within seconds; progress that is behind stays
    where it is. Returns how many modules were set back. Raises `UnknownGroupError`. A module whose
    event is being handled is waited for, at most ``lock_timeout``.
    """
    known = await session.scalar(
        # Its lock makes one rewind at a time; subscribers see the number and look at the table.
        update(SubscriptionGroup)
        .where(SubscriptionGroup.name == group)
        .values(rewinds=SubscriptionGroup.rewinds + 1)
        .returning(SubscriptionGroup.name)
    )
    if known is None:
        raise UnknownGroupError(group, await groups(session))
    first = _first(selection)
    rewound = await session.scalars(
        update(Subscription)
        .where(
            Subscription.group_name == group,
            Subscription.module_id == first.c.module_id,
            Subscription.sequence >= first.c.sequence,
        )
        .values(
            sequence=first.c.sequence - 1, failed_sequence=None, attempts=0, updated_at=func.now()
        )
        .returning(Subscription.module_id)
        .execution_options(synchronize_session=False)
    )
    return len(rewound.all())


def _first(selection: Selection) -> Subquery:
    return (
        select(OutboxEvent.module_id, func.min(OutboxEvent.sequence).label("sequence"))
        .where(*selection.conditions)
        .group_by(OutboxEvent.module_id)
        .subquery()
    )
