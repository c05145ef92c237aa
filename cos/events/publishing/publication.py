"""Publishing a batch of one partition: into its stream, and to whoever listens just now."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import chain
from typing import Any, Final

from redis.asyncio import Redis

from cos.events.event import LIVE_CHANNEL, Event, stream_name, to_fields
from cos.events.publishing.live import live_message

__all__ = ["Appended", "Publication", "Short"]

SCRIPT: Final = (
    files("cos.events.publishing").joinpath("publication.lua").read_text(encoding="utf-8")
)
NOTHING: Final = "0-0"
# Of one call, so that it stays far from every time limit: JSON may be longer than what was stored.
MAX_BYTES: Final = 4_194_304


@dataclass(frozen=True, slots=True)
class Appended:
    """The ids of the entries that were appended, in the order of the events, from the first on."""

    stream_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Short:
    """Nothing was appended: the stream ends before the id that it had reached.

    ``last`` is where it ends, None where it has never had an entry.
    """

    last: str | None


class Publication:
    """Appends to the streams of one Redis, each of which keeps about ``stream_length`` entries."""

    def __init__(self, redis: Redis, *, stream_length: int) -> None:
        self._script = redis.register_script(SCRIPT)
        self._stream_length = stream_length

    async def publish(
        self, partition: int, events: Sequence[Event], *, after: str | None
    ) -> Appended | Short:
        """Append and publish ``events`` in one step, if the stream has reached the id ``after``.

        Of many bytes only the first events are taken, at least one. Without events it only looks.
        Where Redis fails in the middle, some may have been appended; they are the first ones.
        """
        batch = _bounded(events)
        width = len(batch[0]) if batch else 1
        answer: list[Any] = await self._script(
            keys=[stream_name(partition)],
            args=[after or NOTHING, self._stream_length, LIVE_CHANNEL, width, *chain(*batch)],
        )
        verdict, *ids = map(_text, answer)
        if verdict == "SHORT":
            return Short(None if ids[0] == NOTHING else ids[0])
        return Appended(tuple(ids))


def _bounded(events: Sequence[Event]) -> list[list[str]]:
    """Return the arguments of as many events as fit, at least one."""
    batch: list[list[str]] = []
    room = MAX_BYTES
    for event in events:
        fields = to_fields(event)
        arguments = [live_message(fields), *chain.from_iterable(fields.items())]
        # All of it is ASCII: characters are bytes.
        room -= sum(map(len, arguments))
        if batch and room < 0:
            break
        batch.append(arguments)
    return batch


def _text(value: str | bytes) -> str:
    # REDIS_URL may ask for decoded answers.
    return value if isinstance(value, str) else value.decode()
