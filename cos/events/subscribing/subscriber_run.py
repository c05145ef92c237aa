"""One run of a subscriber, from its start to its stop."""

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import Final, Literal

from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cos.events.event import PARTITIONS
from cos.events.pausing import pause
from cos.events.subscribing.acknowledging import Acknowledging
from cos.events.subscribing.consumer_group import FIRST, STREAMS, ConsumerGroup, GroupMissingError
from cos.events.subscribing.delivery import Handler
from cos.events.subscribing.entry import Entry
from cos.events.subscribing.facts import SubscriberFacts
from cos.events.subscribing.failure import reason_of
from cos.events.subscribing.handling import Handling
from cos.events.subscribing.lanes import Lanes
from cos.events.subscribing.progress import begin_group, lagging
from cos.events.subscribing.replaying import Replaying
from cos.events.subscribing.subscriber_settings import SubscriberSettings
from cos.events.subscribing.unavailability import is_lock_timeout

__all__ = ["SubscriberRun"]

LOGGER: Final = logging.getLogger(__name__)
LOST: Final = (RedisError, SQLAlchemyError, OSError)
MAX_NAME: Final = 64
# Entries that are claimed from one stream at once.
CLAIMED: Final = 50
# Longer than anybody's min_idle, in seconds.
LONG_IDLE: Final = 86_400.0
# What the last words to Redis may take, in seconds.
FAREWELL: Final = 3.0


class SubscriberRun:
    """Reads, claims, reconciles and replays side by side; each goes on when a server is back."""

    def __init__(
        self,
        group: str,
        handle: Handler,
        *,
        start: Literal["now", "beginning"],
        sessions: async_sessionmaker[AsyncSession],
        redis: Redis,
        settings: SubscriberSettings,
        facts: SubscriberFacts,
        ready: asyncio.Event,
        reconcile: asyncio.Event,
    ) -> None:
        """Raise ValueError for a name that the tables cannot hold."""
        if not 1 <= len(group) <= MAX_NAME:
            raise ValueError(
                f"the name of a group has 1 to {MAX_NAME} characters, not {len(group)}"
            )
        self._group = group
        self._start = start
        self._sessions = sessions
        self._settings = settings
        self._facts = facts
        self._ready = ready
        self._reconcile = reconcile
        self._ending = asyncio.Event()
        self._rewinds = 0
        self._begun = False
        self._lost: set[str] = set()
        consumer = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._streams = ConsumerGroup(redis, group, consumer)
        handling = Handling(
            group, handle, sessions=sessions, settings=settings, facts=facts, stop=self._ending
        )
        self._lanes = Lanes(handling, settings, facts, self._done)
        self._acknowledging = Acknowledging(self._streams, self._lanes.forget)
        self._replaying = Replaying(
            group, handle, sessions=sessions, settings=settings, facts=facts
        )

    async def until(self, stop: asyncio.Event) -> None:
        """Run until ``stop`` is set, and end in order; raises only what is a fault of ours."""
        readers = [
            asyncio.create_task(loop, name=f"cos {self._group} {name}")
            for name, loop in (
                ("follows", self._follow()),
                ("claims", self._claim()),
                ("reconciles", self._look_now_and_then()),
            )
        ]
        replays = asyncio.create_task(self._replay(), name=f"cos {self._group} replays")
        stopped = asyncio.create_task(_set(stop), name=f"cos {self._group} stops")
        grace = 0.0
        try:
            await asyncio.wait([stopped, replays, *readers], return_when=asyncio.FIRST_COMPLETED)
            grace = self._settings.grace
        finally:
            await self._end([stopped, *readers], replays, grace)
        for task in (replays, *readers):
            if not task.cancelled():
                task.result()

    async def _end(
        self, readers: list[asyncio.Task[None]], replays: asyncio.Task[None], grace: float
    ) -> None:
        self._ready.clear()
        self._ending.set()
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        drained = asyncio.create_task(self._lanes.drain())
        _, late = await asyncio.wait([replays, drained], timeout=grace)
        if late:
            LOGGER.warning("%s: what was not done within %g s is cut off", self._group, grace)
            self._lanes.cancel()
            replays.cancel()
            await asyncio.wait([replays, drained])
        with suppress(*LOST, TimeoutError):
            async with asyncio.timeout(FAREWELL):
                await self._acknowledging.drain()
                await self._streams.give_back(idle=LONG_IDLE)

    async def _follow(self) -> None:
        """Read what is new, for ever."""
        prepared = began = False
        while not self._ending.is_set():
            try:
                if not prepared:
                    await self._prepare(again=began)
                    prepared = began = True
                    self._ready.set()
                    self._found("the streams")
                free = await self._lanes.room(PARTITIONS)
                self._take(
                    await self._streams.read(count=free // PARTITIONS, block=self._settings.block)
                )
            except GroupMissingError:
                LOGGER.warning("%s: Redis came back empty; the group is made again", self._group)
                prepared = False
            except LOST as error:
                prepared = False
                self._ready.clear()
                await self._missed("the streams", error)

    async def _prepare(self, *, again: bool) -> None:
        # In this order nothing slips through: what is committed before the look is in the table,
        # what is published after the group was made is in its stream.
        async with self._sessions.begin() as session:
            self._rewinds = await begin_group(session, self._group, start=self._start)
        self._begun = True
        await self._streams.create()
        if again:
            await self._take_what_was_lost_on_its_way()
        await self._look()

    async def _take_what_was_lost_on_its_way(self) -> None:
        # An answer that never arrived has been given to this consumer nevertheless; the client
        # asks once more by itself, and nobody sees an error. What is held already is ignored.
        count = self._settings.capacity // PARTITIONS
        self._take(await self._streams.delivered(count=count))

    async def _look(self) -> None:
        """Have handled what the table has beyond the group's progress."""
        async with self._sessions.begin() as session:
            found = await lagging(session, self._group)
        self._facts.lag = sum(module.newest - module.stored for module in found)
        for module in found:
            await self._lanes.room()
            self._lanes.want(module.module_id, module.newest)

    async def _look_now_and_then(self) -> None:
        while not self._ending.is_set():
            await pause(self._reconcile, self._settings.reconcile_every)
            self._reconcile.clear()
            try:
                # Without Redis as well: events are late then, and come nevertheless.
                if self._begun:
                    await self._look()
                    self._found("the table of events")
            except LOST as error:
                self._reconcile.set()
                await self._missed("the table of events", error)

    async def _claim(self) -> None:
        """Keep what is held, take over what others left, remove who left."""
        while not self._ending.is_set():
            try:
                await self._streams.keep(self._lanes.held)
                await self._take_what_was_lost_on_its_way()
                for stream in STREAMS:
                    await self._claim_from(stream)
                await self._streams.remove_stale(idle=self._settings.consumer_expiry)
                self._found("the claims")
            except GroupMissingError:
                LOGGER.debug("%s: there is no group to claim from", self._group)
            except LOST as error:
                await self._missed("the claims", error)
            await pause(self._ending, self._settings.claim_every)

    async def _claim_from(self, stream: str) -> None:
        place = FIRST
        while True:
            count = min(CLAIMED, await self._lanes.room())
            entries, place = await self._streams.claim(
                stream, min_idle=self._settings.min_idle, count=count, start=place
            )
            self._take(entries)
            if place == FIRST:
                return

    async def _replay(self) -> None:
        """Handle dead letters that are marked, and notice when the group was rewound."""
        while not self._ending.is_set():
            try:
                while not self._ending.is_set() and await self._replaying.one():
                    pass
                rewinds = await self._replaying.rewinds()
                if rewinds not in {None, self._rewinds}:
                    self._rewinds = rewinds
                    self._reconcile.set()
                self._found("the dead letters")
            except LOST as error:
                await self._missed("the dead letters", error)
            await pause(self._ending, self._settings.replay_every)

    def _take(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            if entry.fields:
                self._lanes.add(entry)
            else:
                # Trimmed while it was pending: its event is in the table.
                self._done(entry)

    def _done(self, entry: Entry) -> None:
        self._acknowledging.add(entry)

    async def _missed(self, what: str, error: Exception) -> None:
        # Once for each outage, not once a second. A lock is held by who handles the module.
        quiet = what in self._lost or is_lock_timeout(error)
        if not quiet:
            self._lost.add(what)
        level = logging.DEBUG if quiet else logging.WARNING
        LOGGER.log(level, "%s cannot reach %s: %s", self._group, what, reason_of(error))
        await pause(self._ending, self._settings.pause)

    def _found(self, what: str) -> None:
        if what in self._lost:
            self._lost.discard(what)
            LOGGER.info("%s reaches %s again", self._group, what)


async def _set(stop: asyncio.Event) -> None:
    await stop.wait()
