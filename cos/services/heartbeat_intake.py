"""Heartbeats over Redis: read from a stream by any number of replicas, stored in batches.

At least once: an entry leaves the stream after the commit that stored it. What is delivered twice
is recognized by its time. Whoever may append to the stream may speak for every module.
"""

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cos.events.pausing import pause
from cos.services.heartbeat_entry import Arrival, MalformedHeartbeatError, in_order, read
from cos.services.periodic import QUIET
from cos.services.seldom import Seldom
from cos.services.state_changes import lock, store
from cos.services.transitions import Heard, hear

__all__ = ["GROUP", "STREAM", "HeartbeatIntake"]

LOGGER: Final = logging.getLogger(__name__)
STREAM: Final = "cos:heartbeats"
GROUP: Final = "cos"
# Entries of one transaction.
BATCH: Final = 200
# Milliseconds after which entries of a replica that says nothing are taken over.
CLAIM_AFTER: Final = 30_000
MAX_BLOCK: Final = 500
# Seconds between two looks for such entries, and the pause where a server is lost.
CLAIM_INTERVAL: Final = 10.0
LOST_PAUSE: Final = 1.0
# Consumers that are gone and have nothing in hand. One script: nothing is delivered meanwhile.
FORGET: Final = """
    local forgotten = 0
    for _, found in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
        local consumer = {}
        for place = 1, #found, 2 do consumer[found[place]] = found[place + 1] end
        local is_gone = consumer.name == ARGV[2] or consumer.idle > tonumber(ARGV[3])
        if is_gone and consumer.pending == 0 then
            redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
            forgotten = forgotten + 1
        end
    end
    return forgotten
"""
DAY_MS: Final = 86_400_000

Entries = list[tuple[bytes, Mapping[bytes, bytes] | None]]


class HeartbeatIntake:
    """The job that stores what modules append to `STREAM`; each replica runs one.

    ``outcomes`` counts the entries since the start: ``stored``, ``malformed`` and ``unknown`` (of
    no module). A lost Redis or Postgres is waited for; entries stay in the stream until then.
    """

    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        redis: Redis,
        *,
        offline_after: float,
        redis_timeout: float,
        claim_after: int = CLAIM_AFTER,
    ) -> None:
        self.outcomes: Counter[str] = Counter()
        self._sessions = sessions
        self._redis = redis
        self._offline_after = timedelta(seconds=offline_after)
        # A reply that is waited for longer than the socket allows would be an error; and a job that
        # is asked to stop waits for it.
        self._block = max(1, min(MAX_BLOCK, int(redis_timeout * 500)))
        self._claim_after = claim_after
        self._consumer = uuid4().hex
        self._lost = Seldom(QUIET)
        self._dropped = Seldom(QUIET)

    async def run(self, stop: asyncio.Event) -> None:
        """Store heartbeats until asked to stop."""
        while not stop.is_set():
            try:
                await self._work(stop)
            except (RedisError, OSError, SQLAlchemyError) as error:
                if (times := self._lost.again()) is not None:
                    LOGGER.warning(
                        "heartbeats over Redis wait, %d times since the last such line: %s",
                        times,
                        error,
                    )
                await pause(stop, LOST_PAUSE)
        await self._leave()

    async def _work(self, stop: asyncio.Event) -> None:
        """Take entries in hand and store them, beginning with those that this replica has still."""
        await self._join()
        clock = asyncio.get_running_loop().time
        await self._store_own(stop)
        claim_at = clock()
        while not stop.is_set():
            if clock() >= claim_at:
                await self._store_claimed(stop)
                claim_at = clock() + CLAIM_INTERVAL
            await self._store(await self._read(">"))

    async def _join(self) -> None:
        try:
            # From the beginning: what was appended before there was a group counts too.
            await self._redis.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise
        await self._forget(DAY_MS)

    async def _leave(self) -> None:
        try:
            await self._forget(DAY_MS, consumer=self._consumer)
        except (RedisError, OSError) as error:
            LOGGER.info("the group of the heartbeats keeps this replica's name: %s", error)

    async def _forget(self, idle: int, *, consumer: str = "") -> None:
        await self._redis.eval(FORGET, 1, STREAM, GROUP, consumer, str(idle))

    async def _store_own(self, stop: asyncio.Event) -> None:
        while not stop.is_set() and (entries := await self._read("0")):
            await self._store(entries)

    async def _store_claimed(self, stop: asyncio.Event) -> None:
        place: Any = "0-0"
        while not stop.is_set():
            place, entries, *_ = await self._redis.xautoclaim(
                STREAM, GROUP, self._consumer, self._claim_after, place, count=BATCH
            )
            await self._store(entries)
            if place == b"0-0":
                return

    async def _read(self, after: str) -> Entries:
        answer = await self._redis.xreadgroup(
            GROUP, self._consumer, {STREAM: after}, count=BATCH, block=self._block
        )
        return _entries(answer)

    async def _store(self, entries: Entries) -> None:
        """Store the entries in one transaction, and then take them out of the stream."""
        if not entries:
            return
        arrivals: list[Arrival] = []
        for entry_id, fields in entries:
            try:
                # An entry that was deleted while it was in hand has no fields.
                if fields is not None:
                    arrivals.append(read(entry_id, fields))
            except MalformedHeartbeatError as error:
                self._drop("malformed", entry_id, str(error))
        for arrival in await self._commit(arrivals):
            self._drop("unknown", str(arrival.module_id).encode(), "there is no such module")
        ids = [entry_id for entry_id, _ in entries]
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.xack(STREAM, GROUP, *ids)
            pipeline.xdel(STREAM, *ids)
            await pipeline.execute()

    async def _commit(self, arrivals: list[Arrival]) -> list[Arrival]:
        """Store what can be stored; return the heartbeats of modules that do not exist."""
        try:
            async with self._sessions.begin() as session:
                unknown = await self._record(session, arrivals)
        except (DataError, IntegrityError, ValueError):
            # Something in it that the checks do not know: it must not hold up the others for ever.
            if len(arrivals) == 1:
                LOGGER.exception("a heartbeat that cannot be stored is dropped")
                self.outcomes["malformed"] += 1
                return []
            return [left for arrival in arrivals for left in await self._commit([arrival])]
        self.outcomes["stored"] += len(arrivals) - len(unknown)
        return unknown

    async def _record(self, session: AsyncSession, arrivals: list[Arrival]) -> list[Arrival]:
        reports: defaultdict[UUID, list[Heard]] = defaultdict(list)
        for arrival in arrivals:
            reports[arrival.module_id].append(arrival.heard)
        found = await lock(session, reports) if reports else {}
        steps = []
        for module in found.values():
            heard = in_order(reports[module.id], last=module.known.last_heartbeat, now=module.now)
            silent_before = module.now - self._offline_after
            steps.append((module, hear(module.known, heard, silent_before=silent_before)))
        await store(session, steps)
        return [arrival for arrival in arrivals if arrival.module_id not in found]

    def _drop(self, outcome: str, what: bytes, reason: str) -> None:
        self.outcomes[outcome] += 1
        if (times := self._dropped.again()) is not None:
            LOGGER.warning(
                "heartbeats over Redis were dropped, %d since the last such line; the last: %s: %s",
                times,
                what.decode("ascii", "replace"),
                reason,
            )


def _entries(answer: Any) -> Entries:
    """Return the entries of the one stream in an answer of XREADGROUP, by whichever protocol."""
    if not answer:
        return []
    ((_, entries),) = answer.items() if isinstance(answer, dict) else answer
    # With RESP3, which a parameter of REDIS_URL may ask for, they stand in one more list.
    found: Entries = entries[0] if entries and isinstance(entries[0], list) else entries
    return found
