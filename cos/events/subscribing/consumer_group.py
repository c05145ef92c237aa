"""The consumer group of the streams in Redis, as one of its consumers sees it."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from cos.events.event import PARTITIONS, stream_name
from cos.events.subscribing.entry import Entry

__all__ = ["FIRST", "STREAMS", "ConsumerGroup", "GroupMissingError"]

STREAMS: Final = tuple(stream_name(partition) for partition in range(PARTITIONS))
# Where a look at what is pending begins.
FIRST: Final = "0-0"
# More than any consumer holds.
MOST_GIVEN_BACK: Final = 10_000
# A look and a removal in one step: between two commands it could be given entries, which would go
# with it.
REMOVE_STALE: Final = """
local removed = 0
for _, row in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
    local fact = {}
    for place = 1, #row, 2 do fact[row[place]] = row[place + 1] end
    if fact.name ~= ARGV[2] and fact.pending == 0 and fact.idle > tonumber(ARGV[3]) then
        redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], fact.name)
        removed = removed + 1
    end
end
return removed
"""


class GroupMissingError(Exception):
    """A stream or its group is not there: Redis came back empty."""


class ConsumerGroup:
    """One consumer of ``group``; raises `redis.exceptions.RedisError` when Redis does not serve.

    The streams are transport only: a group begins with what comes, and what came before is in the
    table of events.
    """

    def __init__(self, redis: Redis, group: str, consumer: str) -> None:
        self._redis: Any = redis  # redis-py's own types say "a value, or an awaitable of it"
        self._group = group
        self._consumer = consumer

    async def create(self) -> bool:
        """Make the group where it is missing; return whether it was anywhere."""
        made = [await self._create(stream) for stream in STREAMS]
        return any(made)

    async def read(self, *, count: int, block: float) -> list[Entry]:
        """Return new entries, up to ``count`` of each stream; wait up to ``block`` seconds."""
        return await self._read(">", count=count, block=max(1, round(block * 1000)))

    async def delivered(self, *, count: int) -> list[Entry]:
        """Return entries that this consumer was given and has not acknowledged, of each stream."""
        return await self._read("0", count=count, block=None)

    async def claim(
        self, stream: str, *, min_idle: float, count: int, start: str = FIRST
    ) -> tuple[list[Entry], str]:
        """Take over entries that were not touched for ``min_idle`` seconds, whoever held them.

        Looks at some of those that are pending from ``start`` on, and returns where to go on;
        ``FIRST`` again when it has seen all.
        """
        try:
            following, entries, *_ = await self._redis.xautoclaim(
                stream,
                self._group,
                self._consumer,
                round(min_idle * 1000),
                start_id=start,
                count=count,
            )
        except ResponseError as error:
            raise _translated(error) from error
        return _entries(stream, entries), following.decode()

    async def acknowledge(self, entries: Iterable[Entry]) -> None:
        """Tell Redis that the entries are done, in one round trip."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            for stream, ids in _by_stream(entries).items():
                pipeline.xack(stream, self._group, *ids)
            await pipeline.execute()

    async def keep(self, entries: Iterable[Entry]) -> None:
        """Touch entries that are held, so that nobody claims them; they stay this consumer's."""
        for stream, ids in _by_stream(entries).items():
            await self._redis.xclaim(
                stream, self._group, self._consumer, 0, ids, justid=True, idle=0
            )

    async def give_back(self, *, idle: float) -> int:
        """Make everything that this consumer was given look untouched for ``idle`` seconds.

        Others claim it with their next look. Returns how many entries that were; where there are
        none, the consumer is removed.
        """
        return sum([await self._give_back(stream, idle) for stream in STREAMS])

    async def remove_stale(self, *, idle: float) -> int:
        """Remove other consumers that hold nothing and were silent for ``idle`` seconds."""
        removed = 0
        for stream in STREAMS:
            try:
                removed += await self._redis.eval(
                    REMOVE_STALE, 1, stream, self._group, self._consumer, round(idle * 1000)
                )
            except ResponseError as error:
                raise _translated(error) from error
        return removed

    async def _give_back(self, stream: str, idle: float) -> int:
        try:
            pending = await self._redis.xpending_range(
                stream, self._group, "-", "+", MOST_GIVEN_BACK, consumername=self._consumer
            )
            if pending:
                ids = [row["message_id"] for row in pending]
                await self._redis.xclaim(
                    stream,
                    self._group,
                    self._consumer,
                    0,
                    ids,
                    justid=True,
                    idle=round(idle * 1000),
                )
            else:
                await self._redis.xgroup_delconsumer(stream, self._group, self._consumer)
        except ResponseError as error:
            # Without the group there is nothing to return.
            if isinstance(_translated(error), GroupMissingError):
                return 0
            raise
        return len(pending)

    async def _create(self, stream: str) -> bool:
        try:
            await self._redis.xgroup_create(stream, self._group, id="$", mkstream=True)
        except ResponseError as error:
            if str(error).startswith("BUSYGROUP"):
                return False
            raise
        return True

    async def _read(self, since: str, *, count: int, block: int | None) -> list[Entry]:
        try:
            answer = await self._redis.xreadgroup(
                self._group,
                self._consumer,
                dict.fromkeys(STREAMS, since),
                count=count,
                block=block,
            )
        except ResponseError as error:
            raise _translated(error) from error
        return [
            entry
            for stream, entries in _rows(answer)
            for entry in _entries(stream.decode(), entries)
        ]


def _rows(answer: Any) -> Iterable[Any]:
    # A mapping with RESP3, in which the entries of a stream stand in one more list.
    if isinstance(answer, dict):
        return [(stream, parts[0] if parts else []) for stream, parts in answer.items()]
    return answer or []


def _entries(stream: str, rows: Sequence[Any]) -> list[Entry]:
    # One that was trimmed while it was pending has no fields.
    return [Entry(stream, name.decode(), fields or {}) for name, fields in rows]


def _by_stream(entries: Iterable[Entry]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for entry in entries:
        found.setdefault(entry.stream, []).append(entry.id)
    return found


def _translated(error: ResponseError) -> Exception:
    # UNBLOCKED is what a blocked reader hears when the stream is deleted under it.
    if str(error).startswith(("NOGROUP", "UNBLOCKED")) or "no such key" in str(error):
        return GroupMissingError(str(error))
    return error
