"""How far a group has come with each module: the table ``subscriptions``.

All functions work in the caller's transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    String,
    case,
    cast,
    func,
    literal,
    select,
    text,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from cos.events.event import Event
from cos.events.outbox import event_of
from cos.events.subscribing.standing import Again, Outcome, judge
from cos.models import OutboxEvent, Subscription, SubscriptionGroup

__all__ = [
    "Lagging",
    "Turn",
    "advance",
    "begin_group",
    "lagging",
    "limit_idling",
    "lock",
    "missing",
    "pass_over",
    "standing",
    "stored_sequence",
]

# As text: it is executed for every event, and to make the statement would take longer than that.
ADVANCE: Final = text(
    """
    UPDATE subscriptions SET sequence = :sequence, updated_at = now()
    WHERE group_name = :group_name AND module_id = :module_id
        AND sequence = CAST(:sequence AS bigint) - 1
        AND (failed_sequence IS DISTINCT FROM :sequence OR not_before <= clock_timestamp())
    RETURNING CASE WHEN failed_sequence = :sequence THEN attempts ELSE 0 END,
        set_config('idle_in_transaction_session_timeout', :idle_limit, true)
    """
)


@dataclass(frozen=True, slots=True)
class Turn:
    """It is this event's turn: the row is advanced and locked. ``attempt`` counts from 1."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Lagging:
    """A module with events that a group has not handled; ``stored`` is 0 where it has no row."""

    module_id: UUID
    stored: int
    newest: int


async def begin_group(
    session: AsyncSession, group: str, *, start: Literal["now", "beginning"]
) -> int:
    """Settle where ``group`` begins, once for ever, and return how often it was rewound.

    With ``now`` it has handled everything that is committed at its first start: so an old event
    that is published again is not taken for a new one, and a module that has no row is new.
    """
    made = await session.scalar(
        insert(SubscriptionGroup)
        .values(name=group)
        .on_conflict_do_nothing()
        .returning(SubscriptionGroup.name)
    )
    if made is not None and start == "now":
        newest = _newest()
        await session.execute(
            insert(Subscription).from_select(
                ["group_name", "module_id", "sequence"],
                select(cast(literal(group), String), newest.c.module_id, newest.c.sequence),
                include_defaults=False,
            )
        )
    return (
        await session.scalars(
            select(SubscriptionGroup.rewinds).where(SubscriptionGroup.name == group)
        )
    ).one()


async def advance(
    session: AsyncSession, group: str, event: Event, *, idle_limit: float
) -> Turn | Outcome:
    """Mark ``event`` as done and hold the lock of its module's row, or say why it is not its turn.

    Whoever comes second waits for the first one's commit, at most ``lock_timeout``, and then sees
    that the event is done. The transaction may be idle for ``idle_limit`` seconds: a frozen process
    holds the lock no longer than that.
    """
    values = {
        "group_name": group,
        "module_id": event.module_id,
        "sequence": event.sequence,
        "idle_limit": _milliseconds(idle_limit),
    }
    row = (await session.execute(ADVANCE, values)).one_or_none()
    return await standing(session, group, event) if row is None else Turn(row[0] + 1)


async def standing(session: AsyncSession, group: str, event: Event) -> Outcome:
    """Return what is to be done with ``event``; makes the row where the module has none."""
    row = (
        await session.execute(
            select(
                Subscription.sequence,
                case(
                    (
                        Subscription.failed_sequence == event.sequence,
                        func.extract("epoch", Subscription.not_before - func.clock_timestamp()),
                    ),
                    else_=0,
                ),
            ).where(*_row(group, event.module_id))
        )
    ).one_or_none()
    if row is not None:
        return judge(row[0], event.sequence, due_in=float(row[1]))
    oldest = await session.scalar(
        select(func.min(OutboxEvent.sequence)).where(OutboxEvent.module_id == event.module_id)
    )
    first = event.sequence if oldest is None else min(oldest, event.sequence)
    await session.execute(
        insert(Subscription)
        .values(group_name=group, module_id=event.module_id, sequence=first - 1)
        .on_conflict_do_nothing()
    )
    return Again()


async def limit_idling(session: AsyncSession, seconds: float) -> None:
    """Let the transaction be idle for ``seconds``, not for what the connection says."""
    limit = func.set_config("idle_in_transaction_session_timeout", _milliseconds(seconds), True)
    await session.execute(select(limit))


async def stored_sequence(session: AsyncSession, group: str, module_id: UUID) -> int:
    """Return up to which event the module is done; 0 where it has no row."""
    stored = await session.scalar(select(Subscription.sequence).where(*_row(group, module_id)))
    return stored or 0


async def lock(session: AsyncSession, group: str, event: Event) -> tuple[bool, int]:
    """Lock the module's row; return whether it is the event's turn, and its failed attempts."""
    row = (
        await session.execute(
            select(Subscription.sequence, _failures(event.sequence))
            .where(*_row(group, event.module_id))
            .with_for_update()
        )
    ).one_or_none()
    return (False, 0) if row is None else (row[0] == event.sequence - 1, row[1])


async def missing(
    session: AsyncSession, module_id: UUID, *, after: int, before: int, limit: int
) -> Sequence[Event]:
    """Return the first ``limit`` retained events of a module between two sequences, in order."""
    rows = await session.scalars(
        select(OutboxEvent)
        .where(
            OutboxEvent.module_id == module_id,
            OutboxEvent.sequence > after,
            OutboxEvent.sequence < before,
        )
        .order_by(OutboxEvent.sequence)
        .limit(limit)
    )
    return [event_of(row) for row in rows]


async def pass_over(
    session: AsyncSession, group: str, module_id: UUID, *, after: int, before: int
) -> bool:
    """Go from ``after`` to just before ``before``, and return whether it was still at ``after``."""
    passed = await session.scalar(
        update(Subscription)
        .where(*_row(group, module_id), Subscription.sequence == after)
        .values(sequence=before - 1, updated_at=func.now())
        .returning(Subscription.sequence)
        .execution_options(synchronize_session=False)
    )
    return passed is not None


async def lagging(session: AsyncSession, group: str) -> Sequence[Lagging]:
    """Return the modules whose newest retained event ``group`` has not handled.

    One query that looks at one row of each module, however many events there are.
    """
    newest = _newest()
    stored = func.coalesce(Subscription.sequence, 0)
    rows = await session.execute(
        select(newest.c.module_id, stored, newest.c.sequence)
        .outerjoin(
            Subscription,
            (Subscription.module_id == newest.c.module_id) & (Subscription.group_name == group),
        )
        .where(newest.c.sequence > stored)
    )
    return [Lagging(*row) for row in rows]


def _row(group: str, module_id: UUID) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return (Subscription.group_name == group, Subscription.module_id == module_id)


def _milliseconds(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}ms"


def _failures(sequence: int) -> ColumnElement[int]:
    return case((Subscription.failed_sequence == sequence, Subscription.attempts), else_=0)


def _newest() -> CTE:
    # From each module's last event to that of the module before it, along the unique index.
    columns = (OutboxEvent.module_id, OutboxEvent.sequence)
    order = (OutboxEvent.module_id.desc(), OutboxEvent.sequence.desc())
    last = select(*columns).order_by(*order).limit(1).subquery()
    newest = select(last.c.module_id, last.c.sequence).cte("newest", recursive=True)
    before = (
        select(*columns)
        .where(OutboxEvent.module_id < newest.c.module_id)
        .order_by(*order)
        .limit(1)
        .lateral("before")
    )
    return newest.union_all(
        select(before.c.module_id, before.c.sequence).select_from(newest.join(before, true()))
    )
