"""What the control center stores."""

from cos.models.event_partition import EventPartition
from cos.models.health_record import HealthRecord
from cos.models.health_state import HealthReason, HealthState
from cos.models.health_status import HealthStatus
from cos.models.module import Module
from cos.models.outbox_event import OutboxEvent

__all__ = [
    "EventPartition",
    "HealthReason",
    "HealthRecord",
    "HealthState",
    "HealthStatus",
    "Module",
    "OutboxEvent",
]
