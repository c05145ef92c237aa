"""Failed attempts and what follows them: the next one, or the dead letters."""

from datetime import timedelta

from sqlalchemy import func, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from cos.events.event import Event, to_fields
from cos.events.subscribing.entry import Entry, shown
from cos.events.subscribing.progress import lock
from cos.events.subscribing.standing import Done, Outcome, Wait
from cos.models import DeadLetter, Subscription

__all__ = ["bury_entry", "record_failure"]


async def record_failure(
    session: AsyncSession,
    group: str,
    event: Event,
    reason: str,
    *,
    attempts_left: int,
    delay: float,
) -> Outcome:
    """Count a failed attempt at ``event``; in the caller's transaction.

    The next one is due after ``delay`` seconds, for every process. When ``attempts_left`` is 0 the
    event goes to the dead letters instead, and the module goes on behind it. An event that somebody
    else brought to its end meanwhile is `Done`.
    """
    is_next, failures = await lock(session, group, event)
    if not is_next:
        return Done(dropped=True)
    row = (Subscription.group_name == group, Subscription.module_id == event.module_id)
    count = failures + 1
    first = func.now() if failures == 0 else Subscription.first_failed_at
    if attempts_left > 0:
        await session.execute(
            update(Subscription)
            .where(*row)
            .values(
                failed_sequence=event.sequence,
                attempts=count,
                first_failed_at=first,
                not_before=func.clock_timestamp() + timedelta(seconds=delay),
            )
            .execution_options(synchronize_session=False)
        )
        return Wait(delay)
    first_failed_at = await session.scalar(
        update(Subscription)
        .where(*row)
        .values(sequence=event.sequence, first_failed_at=first, updated_at=func.now())
        .returning(Subscription.first_failed_at)
        .execution_options(synchronize_session=False)
    )
    letter = insert(DeadLetter).values(
        group_name=group,
        event_id=event.id,
        module_id=event.module_id,
        sequence=event.sequence,
        type=event.type,
        occurred_at=event.occurred_at,
        fields=to_fields(event),
        reason=reason,
        attempts=count,
        first_failed_at=first_failed_at,
    )
    # It is there already when the group was rewound: what failed last is what counts.
    await session.execute(
        letter.on_conflict_do_update(
            index_elements=["group_name", "event_id"],
            set_={
                "reason": letter.excluded.reason,
                "attempts": DeadLetter.attempts + letter.excluded.attempts,
                "last_failed_at": letter.excluded.last_failed_at,
            },
        )
    )
    return Done()


async def bury_entry(session: AsyncSession, group: str, entry: Entry, reason: str) -> None:
    """Store an entry that is no event as a dead letter, once, in the caller's transaction."""
    await session.execute(
        insert(DeadLetter)
        .values(
            group_name=group,
            fields=shown(entry.fields),
            entry=entry.place,
            reason=reason,
            attempts=1,
        )
        .on_conflict_do_nothing(index_elements=["group_name", "entry"])
    )
