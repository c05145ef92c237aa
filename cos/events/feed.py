"""What changed, told to every open page of this process: one subscription for all of them."""

import asyncio
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from cos.events.event import LIVE_CHANNEL
from cos.events.pausing import pause

__all__ = ["LiveFeed", "Reader"]

LOGGER: Final = logging.getLogger(__name__)
# Seconds. How long one look at the subscription takes, and how long a lost one is left alone.
LOOK: Final = 1.0
PAUSE: Final = 1.0
EVERYTHING: Final = ("events", "modules", "summary")
TOPICS: Final = {"module": "modules", "health": "modules"}


class Reader:
    """One open page: the topics that changed since it was last told."""

    def __init__(self) -> None:
        self._topics: set[str] = set()
        self._told = asyncio.Event()
        self._closing = asyncio.Event()

    @property
    def closed(self) -> bool:
        """Whether the server stops."""
        return self._closing.is_set()

    def close(self) -> None:
        """Tell it nothing more: the server stops."""
        self._closing.set()
        self._told.set()

    async def rest(self, seconds: float) -> None:
        """Wait, not longer than until it is closed."""
        await pause(self._closing, seconds)

    def tell(self, *topics: str) -> None:
        """Remember that these changed; a page that is slow is told once, however often."""
        self._topics.update(topics)
        self._told.set()

    async def changed(self, *, within: float) -> list[str]:
        """Return what changed, sorted, as soon as anything did; [] after ``within`` seconds."""
        await pause(self._told, within)
        self._told.clear()
        topics, self._topics = sorted(self._topics), set()
        return topics


class LiveFeed:
    """Listens on the live channel and tells every reader.

    Nothing of an event is passed on but that there was one: each page asks for what it shows, with
    its own rights and filters. What happens while Redis is away is told when it is back.
    """

    def __init__(self, redis: Redis, *, look: float = LOOK, pause: float = PAUSE) -> None:
        self._redis = redis
        self._look = look
        self._pause = pause
        self._readers: set[Reader] = set()
        self._closed = False
        self.connected = False

    @property
    def readers(self) -> int:
        """How many pages are open."""
        return len(self._readers)

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """Give a reader that is told for as long as the context is entered."""
        reader = Reader()
        # Before the look: a signal may close the feed between the two.
        self._readers.add(reader)
        if self._closed:
            reader.close()
        try:
            yield reader
        finally:
            self._readers.discard(reader)

    def tell(self, *topics: str) -> None:
        """Tell every reader."""
        for reader in self._readers:
            reader.tell(*topics)

    def close(self) -> None:
        """End every reader, and each that comes: an open page would hold up the server's end."""
        self._closed = True
        for reader in self._readers:
            reader.close()

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until ``stop`` is set, over every loss of the connection."""
        while not stop.is_set():
            try:
                await self._listen(stop)
            except (RedisError, OSError) as error:
                if self.connected:
                    LOGGER.warning("the live channel is lost: %s", type(error).__name__)
                    self.connected = False
                    self.tell("summary")
                await pause(stop, self._pause)

    async def _listen(self, stop: asyncio.Event) -> None:
        async with self._redis.pubsub() as channel:
            await channel.subscribe(LIVE_CHANNEL)
            while not stop.is_set():
                message = await channel.get_message(timeout=self._look)
                if message is None:
                    continue
                if message["type"] == "message":
                    self.tell("events", *_topics(message["data"]))
                else:
                    # Subscribed, perhaps anew: the client reconnects without a word otherwise.
                    self.connected = True
                    self.tell(*EVERYTHING)


def _topics(data: bytes | str) -> Iterator[str]:
    try:
        kind = json.loads(data)["type"].partition(".")[0]
    except (ValueError, LookupError, TypeError, AttributeError):
        return  # whoever may publish may publish anything
    if kind in TOPICS:
        yield TOPICS[kind]
        yield "summary"
