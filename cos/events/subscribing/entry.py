"""An entry of a stream as Redis gives it, and the event that it holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Final

from cos.events.event import Event, MalformedEventError, from_fields, to_fields
from cos.events.subscribing.failure import storable

__all__ = ["Entry", "read_event", "shown"]

MAX_BIGINT: Final = 2**63 - 1
MAX_SMALLINT: Final = 2**15 - 1
# What is kept of an entry that is no event, in characters.
MAX_FIELDS: Final = 32
MAX_SHOWN: Final = 4_000


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry; ``id`` is unique in its stream."""

    stream: str
    id: str
    fields: Mapping[bytes, bytes]

    @property
    def place(self) -> str:
        """Stream and id, which name the entry for a person."""
        return f"{self.stream}/{self.id}"


def read_event(fields: Mapping[bytes, bytes]) -> Event:
    """Return the event of an entry; raise `MalformedEventError` where it is none.

    Also where the tables could not hold it: whoever may write to Redis can write anything.
    """
    try:
        event = from_fields({_text(name): _text(value) for name, value in fields.items()})
    except UnicodeDecodeError:
        raise MalformedEventError("a field is no UTF-8") from None
    _check(event)
    return event


def shown(fields: Mapping[bytes, bytes]) -> dict[str, str]:
    """Return the fields as text that can be stored, each and all of them cut to a limit."""
    kept = list(fields.items())[:MAX_FIELDS]
    return {
        storable(name.decode("utf-8", "backslashreplace"), 100): storable(
            value.decode("utf-8", "backslashreplace"), MAX_SHOWN
        )
        for name, value in kept
    }


def _text(value: bytes) -> str:
    return value.decode("utf-8")


def _check(event: Event) -> None:
    if event.sequence > MAX_BIGINT or event.version > MAX_SMALLINT:
        raise MalformedEventError("sequence or version is too large a number")
    for name, text, limit in (
        ("type", event.type, 64),
        ("correlation", event.correlation_id, 128),
    ):
        if len(text) > limit or "\0" in text:
            raise MalformedEventError(f"the field {name} is too long, or has U+0000 in it")
    try:
        event.occurred_at.astimezone(UTC)
        to_fields(event)  # NaN can be read, and not written
    except (OverflowError, ValueError, RecursionError):
        raise MalformedEventError("time or payload cannot be stored") from None
