"""Telling Redis what is done: the entries of a moment together, and nobody waits for it."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from redis.exceptions import RedisError

from cos.events.subscribing.consumer_group import ConsumerGroup
from cos.events.subscribing.entry import Entry
from cos.events.subscribing.failure import reason_of

__all__ = ["Acknowledging"]

LOGGER: Final = logging.getLogger(__name__)
# Seconds for which entries are gathered; what a process that dies meanwhile did not acknowledge is
# claimed, found to be done, and acknowledged then.
GATHER: Final = 0.02


class Acknowledging:
    """Acknowledges entries in the background; ``over`` is called with each afterwards.

    Also where Redis did not take it: the entry stays pending there, and comes again.
    """

    def __init__(self, streams: ConsumerGroup, over: Callable[[Entry], None]) -> None:
        self._streams = streams
        self._over = over
        self._waiting: list[Entry] = []
        self._task: asyncio.Task[None] | None = None

    def add(self, entry: Entry) -> None:
        """Have ``entry`` acknowledged soon."""
        self._waiting.append(entry)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._acknowledge(), name="cos acknowledges")

    async def drain(self) -> None:
        """Wait until nothing is left; a cancellation cuts it off."""
        if self._task is not None:
            await self._task

    async def _acknowledge(self) -> None:
        while self._waiting:
            await asyncio.sleep(GATHER)
            entries, self._waiting = self._waiting, []
            try:
                await self._streams.acknowledge(entries)
            except (RedisError, OSError) as error:
                LOGGER.debug("%d are done and not acknowledged: %s", len(entries), reason_of(error))
            finally:
                for entry in entries:
                    self._over(entry)
