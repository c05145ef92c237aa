"""One event, or one module, brought to its end: attempts, gaps, dead letters.

Knows Postgres and the handler, and nothing of Redis.
"""

import asyncio
import logging
import random
from typing import Final
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cos.events.correlation import correlate
from cos.events.event import Event
from cos.events.pausing import pause
from cos.events.subscribing.burial import bury_entry, record_failure
from cos.events.subscribing.delivery import Delivery, Handler
from cos.events.subscribing.entry import Entry
from cos.events.subscribing.facts import SubscriberFacts
from cos.events.subscribing.failure import Unprocessable, reason_of
from cos.events.subscribing.guarded import guarded
from cos.events.subscribing.progress import Turn, advance, missing, pass_over, stored_sequence
from cos.events.subscribing.retry import retry_delay
from cos.events.subscribing.standing import Again, Behind, Done, Outcome, Unavailable, Wait
from cos.events.subscribing.subscriber_settings import SubscriberSettings
from cos.events.subscribing.unavailability import is_lock_timeout, tells_of_the_database

__all__ = ["Handling"]

LOGGER: Final = logging.getLogger(__name__)
# Events of a gap that are in memory at once.
BATCH: Final = 20


class Handling:
    """Handles events for one group; for one module one call at a time, for different ones many.

    At most ``settings.concurrency`` transactions are open. A module that waits for its next attempt
    has none, and is in ``resting``; ``changed`` is set when one more is. When ``stop`` is set, what
    is being attempted ends, and nothing new begins.
    """

    def __init__(
        self,
        group: str,
        handle: Handler,
        *,
        sessions: async_sessionmaker[AsyncSession],
        settings: SubscriberSettings,
        facts: SubscriberFacts,
        stop: asyncio.Event,
    ) -> None:
        self._group = group
        self._handle = handle
        self._sessions = sessions
        self._settings = settings
        self._facts = facts
        self._stop = stop
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._lost = False
        self.resting: set[UUID] = set()
        self.changed = asyncio.Event()

    async def settle(self, event: Event) -> bool:
        """Bring ``event``, and what is missing before it, to an end; False if stopped before."""
        while not self._stop.is_set():
            match await self._in_a_slot(event):
                case Done(dropped):
                    self._facts.dropped += dropped
                    return True
                case Behind(after):
                    await self._fill(event.module_id, after=after, before=event.sequence)
                case Wait(seconds):
                    await self._rest_module(event.module_id, seconds)
                case Unavailable():
                    await pause(self._stop, self._settings.pause)
                case Again():
                    pass
        return False

    async def catch_up(self, module_id: UUID, newest: int) -> bool:
        """Handle the events of the table up to ``newest``; False if stopped before."""
        while not self._stop.is_set():
            try:
                async with self._slots, self._sessions.begin() as session:
                    stored = await stored_sequence(session, self._group, module_id)
            except (SQLAlchemyError, OSError) as error:
                await self._rest(error)
                continue
            if stored >= newest or not await self._fill(module_id, after=stored, before=newest + 1):
                return True
        return False

    async def bury(self, entry: Entry, error: Exception) -> bool:
        """Store an entry that is no event among the dead letters; False if stopped before."""
        while not self._stop.is_set():
            try:
                async with self._slots, self._sessions.begin() as session:
                    await bury_entry(session, self._group, entry, reason_of(error))
            except (SQLAlchemyError, OSError) as failure:
                await self._rest(failure)
            else:
                LOGGER.error("%s is no event, and went to the dead letters: %s", entry.place, error)
                self._facts.malformed += 1
                return True
        return False

    async def _fill(self, module_id: UUID, *, after: int, before: int) -> bool:
        """Handle some events between two sequences from the table, in order.

        Whoever calls looks again for the others. False means that there was nothing to do.
        """
        passed = False
        try:
            async with self._slots, self._sessions.begin() as session:
                events = await missing(session, module_id, after=after, before=before, limit=BATCH)
                reached = events[0].sequence if events else before
                if reached > after + 1:
                    passed = await pass_over(
                        session, self._group, module_id, after=after, before=reached
                    )
        except (SQLAlchemyError, OSError) as error:
            await self._rest(error)
            return True
        if passed:
            self._tell_passed_over(module_id, after + 1, reached - 1)
        for event in events:
            self._facts.gaps += 1
            if not await self.settle(event):
                break
        return passed or bool(events)

    async def _in_a_slot(self, event: Event) -> Outcome:
        async with self._slots:
            if self._stop.is_set():
                return Again()
            self._facts.in_flight += 1
            try:
                return await self._attempt(event)
            finally:
                self._facts.in_flight -= 1

    async def _attempt(self, event: Event) -> Outcome:
        attempt = 0
        try:
            async with self._sessions.begin() as session:
                turn = await advance(
                    session, self._group, event, idle_limit=2 * self._settings.timeout
                )
                self._lost = False
                if not isinstance(turn, Turn):
                    return turn
                attempt = turn.attempt
                correlate(event.correlation_id)
                await guarded(
                    self._handle,
                    Delivery(event, session, attempt),
                    seconds=self._settings.timeout,
                )
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is its failure
            if tells_of_the_database(error, handling=attempt > 0):
                self._log_unavailable(error)
                return Unavailable()
            return await self._failed(event, attempt, error)
        self._facts.handled += 1
        return Done()

    async def _failed(self, event: Event, attempt: int, error: Exception) -> Outcome:
        last = isinstance(error, Unprocessable) or attempt >= self._settings.max_attempts
        reason = reason_of(error)
        delay = retry_delay(
            attempt,
            random.random(),  # noqa: S311 - it spreads attempts, and hides nothing
            base=self._settings.retry_base,
            cap=self._settings.retry_cap,
        )
        try:
            async with self._sessions.begin() as session:
                outcome = await record_failure(
                    session,
                    self._group,
                    event,
                    reason,
                    attempts_left=0 if last else self._settings.max_attempts - attempt,
                    delay=delay,
                )
        except (SQLAlchemyError, OSError) as failure:
            self._log_unavailable(failure)
            return Unavailable()
        self._tell_failed(event, attempt, reason, outcome)
        return outcome

    def _tell_failed(self, event: Event, attempt: int, reason: str, outcome: Outcome) -> None:
        what = (
            f"{self._group}: attempt {attempt} at {event.type} {event.module_id}/{event.sequence}"
        )
        match outcome:
            case Wait(seconds):
                self._facts.retried += 1
                LOGGER.warning("%s failed, the next is due in %.3g s: %s", what, seconds, reason)
            case Done(dropped=False):
                self._facts.dead += 1
                LOGGER.error("%s was the last, it went to the dead letters: %s", what, reason)

    def _tell_passed_over(self, module_id: UUID, first: int, last: int) -> None:
        self._facts.passed_over += last - first + 1
        LOGGER.error(
            "%s: events %d to %d of %s are not retained any more and were passed over",
            self._group,
            first,
            last,
            module_id,
        )

    async def _rest_module(self, module_id: UUID, seconds: float) -> None:
        self.resting.add(module_id)
        self.changed.set()
        try:
            await pause(self._stop, seconds)
        finally:
            self.resting.discard(module_id)

    async def _rest(self, error: Exception) -> None:
        self._log_unavailable(error)
        await pause(self._stop, self._settings.pause)

    def _log_unavailable(self, error: Exception) -> None:
        # Another process handles the module, or was frozen while it did: it waits, nothing is lost.
        quiet = self._lost or is_lock_timeout(error)
        self._lost = self._lost or not quiet
        level = logging.DEBUG if quiet else logging.WARNING
        LOGGER.log(level, "%s: the database did not serve: %s", self._group, reason_of(error))
