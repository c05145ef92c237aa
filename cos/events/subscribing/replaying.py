"""Dead letters that somebody wants to have handled again."""

import logging
from typing import Final

from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cos.events.correlation import correlate
from cos.events.subscribing.delivery import Delivery, Handler
from cos.events.subscribing.entry import read_event
from cos.events.subscribing.facts import SubscriberFacts
from cos.events.subscribing.failure import reason_of
from cos.events.subscribing.guarded import guarded
from cos.events.subscribing.progress import limit_idling, lock
from cos.events.subscribing.subscriber_settings import SubscriberSettings
from cos.events.subscribing.unavailability import tells_of_the_database
from cos.models import DeadLetter, SubscriptionGroup

__all__ = ["Replaying"]

LOGGER: Final = logging.getLogger(__name__)


class Replaying:
    """Handles the marked dead letters of one group, each by one process only."""

    def __init__(
        self,
        group: str,
        handle: Handler,
        *,
        sessions: async_sessionmaker[AsyncSession],
        settings: SubscriberSettings,
        facts: SubscriberFacts,
    ) -> None:
        self._group = group
        self._handle = handle
        self._sessions = sessions
        self._settings = settings
        self._facts = facts

    async def rewinds(self) -> int | None:
        """Return how often the group was rewound; None before its first start."""
        async with self._sessions.begin() as session:
            return await session.scalar(
                select(SubscriptionGroup.rewinds).where(SubscriptionGroup.name == self._group)
            )

    async def one(self) -> bool:
        """Replay one letter; return whether one was marked that no other process has in hand.

        Success deletes it in the handler's transaction; failure is counted, keeps it and takes the
        mark away. Raises what tells of a lost database: the letter stays marked then.
        """
        letter_id: int | None = None
        called = False
        try:
            async with self._sessions.begin() as session:
                row = (await session.execute(self._marked())).one_or_none()
                if row is None:
                    return False
                letter_id, fields, attempts = row
                event = read_event(
                    {name.encode(): value.encode() for name, value in fields.items()}
                )
                # The module's lock: what is replayed does not run beside what is new.
                await limit_idling(session, 2 * self._settings.timeout)
                await lock(session, self._group, event)
                called = True
                correlate(event.correlation_id)
                await guarded(
                    self._handle,
                    Delivery(event, session, attempts + 1, replayed=True),
                    seconds=self._settings.timeout,
                )
                await session.execute(delete(DeadLetter).where(DeadLetter.id == letter_id))
        except Exception as error:
            if letter_id is None or tells_of_the_database(error, handling=called):
                raise
            await self._failed(letter_id, reason_of(error))
            return True
        self._facts.handled += 1
        self._facts.replayed += 1
        return True

    def _marked(self) -> Select[int, dict[str, str], int]:
        return (
            select(DeadLetter.id, DeadLetter.fields, DeadLetter.attempts + DeadLetter.replays)
            .where(
                DeadLetter.group_name == self._group, DeadLetter.replay_requested_at.is_not(None)
            )
            .order_by(DeadLetter.replay_requested_at, DeadLetter.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )

    async def _failed(self, letter_id: int, reason: str) -> None:
        async with self._sessions.begin() as session:
            await session.execute(
                update(DeadLetter)
                .where(DeadLetter.id == letter_id)
                .values(
                    reason=reason,
                    replays=DeadLetter.replays + 1,
                    last_failed_at=func.now(),
                    replay_requested_at=None,
                )
                .execution_options(synchronize_session=False)
            )
        LOGGER.error("%s: the replay of dead letter %d failed: %s", self._group, letter_id, reason)
