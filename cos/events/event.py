"""What an event is, how it looks in a Redis stream, and in which stream it stands.

The form of version 1 is a contract: fields are added, never renamed, and a change of meaning is a
new version.
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

__all__ = [
    "LIVE_CHANNEL",
    "MAX_PAYLOAD_BYTES",
    "PARTITIONS",
    "VERSION",
    "Event",
    "EventType",
    "MalformedEventError",
    "encode_payload",
    "from_fields",
    "partition_of",
    "stream_name",
    "to_fields",
]

VERSION: Final = 1
# As many replicas as can publish at once. Changing it moves modules to other streams.
PARTITIONS: Final = 8
LIVE_CHANNEL: Final = "cos:live"
# Twice of what the largest valid request makes: a configuration of 65,536 characters and a name.
MAX_PAYLOAD_BYTES: Final = 131_072


class EventType(StrEnum):
    """What happened."""

    MODULE_REGISTERED = "module.registered"
    MODULE_CHANGED = "module.changed"
    MODULE_REMOVED = "module.removed"
    HEALTH_CHANGED = "health.changed"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a module, and was committed.

    ``sequence`` counts the events of one module from 1 without a gap, in the order of their
    commits. ``type`` is text: a consumer meets types that are younger than itself.
    """

    id: UUID
    type: str
    module_id: UUID
    sequence: int
    occurred_at: datetime
    payload: Mapping[str, Any] = field(hash=False)
    correlation_id: str = "-"
    version: int = VERSION


class MalformedEventError(ValueError):
    """The fields are no event of this service; ``str`` names the field."""


def partition_of(module_id: UUID) -> int:
    """Return the partition of a module's events: 0 to ``PARTITIONS`` - 1, always the same."""
    return zlib.crc32(module_id.bytes) % PARTITIONS


def stream_name(partition: int) -> str:
    """Return the key of the partition's stream in Redis."""
    return f"cos:events:{partition}"


def encode_payload(payload: Mapping[str, Any]) -> str:
    """Return the payload as JSON in ASCII; raise ValueError if it has too many bytes."""
    text = _as_json(payload)
    if len(text) > MAX_PAYLOAD_BYTES:
        raise ValueError(
            f"the payload of an event has at most {MAX_PAYLOAD_BYTES} bytes, not {len(text)}"
        )
    return text


def to_fields(event: Event) -> dict[str, str]:
    """Return the fields of the stream's entry: text, the payload as JSON in ASCII."""
    return {
        "id": str(event.id),
        "type": event.type,
        "version": str(event.version),
        "module": str(event.module_id),
        "sequence": str(event.sequence),
        "time": event.occurred_at.isoformat(),
        "correlation": event.correlation_id,
        # What was stored is published, however long: the database writes 1e300 as 301 digits.
        "payload": _as_json(event.payload),
    }


def from_fields(fields: Mapping[str, str]) -> Event:
    """Return the event of an entry; raise `MalformedEventError` where it is none.

    Fields that nobody knows are of a younger service and are passed over.
    """
    payload = _read(fields, "payload", json.loads)
    if not isinstance(payload, dict):
        raise MalformedEventError("payload is no JSON object")
    event = Event(
        id=_read(fields, "id", UUID),
        type=_read(fields, "type", str),
        version=_read(fields, "version", _counted),
        module_id=_read(fields, "module", UUID),
        sequence=_read(fields, "sequence", _counted),
        occurred_at=_read(fields, "time", datetime.fromisoformat),
        correlation_id=_read(fields, "correlation", str),
        payload=payload,
    )
    if event.occurred_at.tzinfo is None:
        raise MalformedEventError("time has no offset from UTC")
    return event


def _as_json(payload: Mapping[str, Any]) -> str:
    return json.dumps(payload, allow_nan=False, separators=(",", ":"))


def _counted(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _read(fields: Mapping[str, str], name: str, convert: Any) -> Any:
    try:
        return convert(fields[name])
    except KeyError:
        raise MalformedEventError(f"the field {name} is missing") from None
    except (ValueError, RecursionError):
        raise MalformedEventError(f"the field {name} cannot be read") from None
