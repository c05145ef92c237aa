"""The relay: from the outbox to Redis, at least once, in order for each module.

Any number of relays may run. A partition is published by whoever holds its lock, in a transaction
that ends with the round; so an event that was published and not marked, because its relay died in
between, is published again, before any that follows it.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cos.db.engine import service_engine
from cos.db.failures import reason
from cos.events.event import Event
from cos.events.pausing import pause
from cos.events.publishing import ledger
from cos.events.publishing.guard import CircuitOpenError, Guard, is_failure
from cos.events.publishing.ledger import Pending
from cos.events.publishing.notifications import listen
from cos.events.publishing.outage import Outage
from cos.events.publishing.publication import Appended, Publication, Short
from cos.settings import Settings

__all__ = ["Relay", "RelayFacts", "Round", "relay_engine"]

LOGGER: Final = logging.getLogger(__name__)
# A relay that is frozen in the middle of a round loses its partitions after so many seconds.
LONGEST_IDLE: Final = 10.0
# Seconds for one statement: after a loss, all that the streams keep becomes pending again at once.
RECOVERY_LIMIT: Final = 60.0
# Seconds between two rounds that published. A round costs as much for one event as for dozens, so
# one for each commit would fill the process that also serves; the first of a burst does not wait.
GATHER: Final = 0.01
# The table grows from nothing: a plan that was kept from then would read all of it for ever.
PLANS: Final = {"plan_cache_mode": "force_custom_plan"}


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did: events published, events made pending again because Redis lost them.

    ``has_more`` says that another one would find work at once, ``has_failed`` that Redis could not
    be used.
    """

    published: int = 0
    republished: int = 0
    has_more: bool = False
    has_failed: bool = False


@dataclass(frozen=True, slots=True)
class RelayFacts:
    """What a relay did since it was made; ``last_round`` is when one last came to its end."""

    published: int = 0
    republished: int = 0
    last_round: datetime | None = None


def relay_engine(settings: Settings) -> AsyncEngine:
    """Return an engine for one relay: it shares no connection with requests."""
    limits = {
        "database_pool_size": 1,
        "idle_in_transaction_timeout": _longest_idle(settings),
        "statement_timeout": max(settings.statement_timeout, RECOVERY_LIMIT),
    }
    return service_engine(settings.model_copy(update=limits), parameters=PLANS)


class Relay:
    """Publishes what is in the outbox, through ``engine`` (see `relay_engine`) and ``guard``."""

    def __init__(self, engine: AsyncEngine, redis: Redis, guard: Guard, settings: Settings) -> None:
        self._engine = engine
        # Another isolation would read, behind a lock, what was there before it.
        self._database = engine.execution_options(isolation_level="READ COMMITTED")
        self._publication = Publication(redis, stream_length=settings.event_stream_length)
        self._guard = guard
        self._settings = settings
        # For one call, and for when the last one of a round begins: together less than that, so
        # that a slow Redis does not cost the session that waits for it.
        self._time_limit = _longest_idle(settings) / 3
        self._published = 0
        self._republished = 0
        self._last_round: datetime | None = None
        self._refused: dict[int, str] = {}
        self._redis_outage = Outage(
            LOGGER,
            began="Redis cannot be used, events wait: %s",
            ended="Redis can be used, events are published again.",
        )
        self._database_outage = Outage(
            LOGGER,
            began="Events cannot be read or marked in the database: %s",
            ended="Events can be read and marked in the database again.",
        )

    @property
    def facts(self) -> RelayFacts:
        """What was done until now."""
        return RelayFacts(self._published, self._republished, self._last_round)

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until ``stop`` is set; the round that is under way is finished.

        A database or Redis that fails is waited for.
        """
        woken = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            beside = [
                tasks.create_task(listen(self._engine, woken)),
                tasks.create_task(_pass_on(stop, woken)),
            ]
            await self._publish_until(stop, woken)
            for task in beside:
                task.cancel()

    async def round(self, *, look: bool = False) -> Round:
        """Publish one batch of each partition that has something and is nobody else's just now.

        With ``look`` the streams of the others are compared with what they had reached. Redis that
        fails ends the round early: what was published until then is marked. Raises
        `sqlalchemy.exc.SQLAlchemyError` where the database fails; then nothing is marked.
        """
        async with self._database.begin() as connection:
            done = await self._claimed(connection, look=look)
        self._published += done.published
        self._republished += done.republished
        self._last_round = datetime.now(UTC)
        return done

    async def _claimed(self, connection: AsyncConnection, *, look: bool) -> Round:
        claimed = await ledger.claim(connection, idle_too=look)
        if not claimed:
            return Round()
        limit = self._settings.event_batch
        waiting = await ledger.pending(connection, claimed, limit)
        outcomes, has_failed, has_more = await self._publish(claimed, waiting)
        published: dict[int, list[tuple[Pending, str]]] = {}
        lost = 0
        for partition, outcome in outcomes.items():
            if isinstance(outcome, Short):
                lost += await self._recover(connection, partition, claimed[partition], outcome)
                has_more = True
            elif outcome.stream_ids:
                # Of many bytes only the first events were taken.
                published[partition] = list(
                    zip(waiting[partition], outcome.stream_ids, strict=False)
                )
                taken, given = len(outcome.stream_ids), len(waiting[partition])
                has_more |= taken < given or given == limit
        if published:
            await ledger.mark(connection, published)
        return Round(sum(map(len, published.values())), lost, has_more, has_failed)

    async def _publish(
        self, claimed: Mapping[int, str | None], waiting: Mapping[int, Sequence[Pending]]
    ) -> tuple[dict[int, Appended | Short], bool, bool]:
        """Publish one partition after the other, and return what came of each that was tried.

        And whether Redis failed, and whether some were left because the time was over.
        """
        outcomes: dict[int, Appended | Short] = {}
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._time_limit
        for partition, reached in claimed.items():
            if clock() >= deadline:
                return outcomes, False, True
            events = [each.event for each in waiting.get(partition, ())]
            attempt = partial(self._append, partition, events, reached)
            try:
                outcomes[partition] = await self._guard.call(attempt)
            except CircuitOpenError:
                return outcomes, True, False
            except (RedisError, OSError) as error:
                if is_failure(error):
                    self._redis_outage.failed(error)
                    return outcomes, True, False
                self._refuse(partition, error)
                continue
            self._redis_outage.over()
            self._refused.pop(partition, None)
        return outcomes, False, False

    async def _append(
        self, partition: int, events: Sequence[Event], reached: str | None
    ) -> Appended | Short:
        try:
            async with asyncio.timeout(self._time_limit):
                return await self._publication.publish(partition, events, after=reached)
        except TimeoutError:
            raise TimeoutError(f"no answer within {self._time_limit:.1f} s") from None

    async def _recover(
        self, connection: AsyncConnection, partition: int, reached: str | None, short: Short
    ) -> int:
        lost = await ledger.unmark(
            connection, partition, after=short.last, most=self._settings.event_stream_length
        )
        LOGGER.warning(
            "Redis lost entries of partition %d: it had reached %s and ends at %s."
            " Events published again: %d.",
            partition,
            reached,
            short.last or "nothing",
            lost,
        )
        return lost

    def _refuse(self, partition: int, error: Exception) -> None:
        """Log what Redis says of a partition, once until it says something else."""
        text = reason(error)
        if self._refused.get(partition) != text:
            self._refused[partition] = text
            LOGGER.warning("Partition %d cannot be published, its events wait: %s", partition, text)

    async def _publish_until(self, stop: asyncio.Event, woken: asyncio.Event) -> None:
        clock = asyncio.get_running_loop().time
        next_look = clock()
        while not stop.is_set():
            # Before the round: what is committed in its course may be too late for it.
            woken.clear()
            wait = self._guard.circuit.retry_in
            if wait:
                await pause(stop, wait)
                continue
            look = clock() >= next_look
            done = await self._attempt(look=look)
            if done is None or done.has_failed:
                # Notified or not: what failed is given a rest.
                await pause(stop, self._settings.event_poll_interval)
                continue
            if look:
                next_look = clock() + self._settings.event_check_interval
            if not done.has_more:
                if done.published:
                    await pause(stop, GATHER)
                await pause(woken, self._settings.event_poll_interval)

    async def _attempt(self, *, look: bool) -> Round | None:
        try:
            done = await self.round(look=look)
        except (SQLAlchemyError, OSError) as error:
            self._database_outage.failed(error)
            return None
        self._database_outage.over()
        return done


def _longest_idle(settings: Settings) -> float:
    return min(settings.idle_in_transaction_timeout, LONGEST_IDLE)


async def _pass_on(stop: asyncio.Event, woken: asyncio.Event) -> None:
    await stop.wait()
    woken.set()
