"""Writing events, in the transaction of the change that they tell of."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from cos.events.correlation import correlation_id
from cos.events.event import VERSION, Event, EventType, encode_payload, partition_of
from cos.models import OutboxEvent

__all__ = ["announce", "event_of"]


def announce(
    session: AsyncSession,
    event: EventType,
    *,
    module_id: UUID,
    sequence: int,
    payload: Mapping[str, Any],
) -> None:
    """Add an event to the session: it is stored when the caller's transaction is, or not at all.

    ``sequence`` is the module's ``event_sequence`` after it was raised by one under the lock of the
    module's row, which the caller holds until the commit; so that the order of the sequence is that
    of the commits. Raises ValueError for a payload of more than ``MAX_PAYLOAD_BYTES``.
    """
    encode_payload(payload)
    session.add(
        OutboxEvent(
            type=event.value,
            version=VERSION,
            module_id=module_id,
            sequence=sequence,
            partition=partition_of(module_id),
            correlation_id=correlation_id(),
            payload=dict(payload),
        )
    )


def event_of(row: OutboxEvent) -> Event:
    """Return the event that a row of the outbox holds."""
    return Event(
        id=row.id,
        type=row.type,
        version=row.version,
        module_id=row.module_id,
        sequence=row.sequence,
        occurred_at=row.occurred_at,
        correlation_id=row.correlation_id,
        payload=row.payload,
    )
