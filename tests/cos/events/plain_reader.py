"""A consumer that knows nothing of cos but the documented form of its streams."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from redis.exceptions import RedisError

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["PlainReader"]

PARTITIONS: Final = 8


@dataclass
class PlainReader:
    """Reads every stream from its beginning, and drops by sequence what it has seen."""

    redis: Redis
    seen: dict[str, int] = field(default_factory=dict)
    markers: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    dropped: int = 0
    took: asyncio.Event = field(default_factory=asyncio.Event)
    _reached: dict[str, str] = field(default_factory=dict)

    async def read(self, stop: asyncio.Event) -> None:
        """Read until ``stop`` is set, over every loss of Redis."""
        self._reached = {f"cos:events:{number}": "0" for number in range(PARTITIONS)}
        while not stop.is_set():
            try:
                answer: Any = await self.redis.xread(
                    cast("dict[Any, Any]", self._reached), count=500, block=100
                )
            except (RedisError, OSError):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), 0.05)
                continue
            for stream, entries in answer:
                for entry, fields in entries:
                    self._reached[stream] = entry
                    self._take(fields)

    def _take(self, fields: dict[str, str]) -> None:
        module, sequence = fields["module"], int(fields["sequence"])
        last = self.seen.get(module, 0)
        if sequence <= last:
            self.dropped += 1
            return
        if sequence > last + 1:
            self.gaps.append(f"{module}: {sequence} after {last}")
        self.seen[module] = sequence
        self.took.set()
        self.markers.append(fields["payload"])
