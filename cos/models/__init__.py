"""What the control center stores."""

from cos.models.api_token import ApiToken
from cos.models.board_session import BoardSession
from cos.models.dead_letter import DeadLetter
from cos.models.event_partition import EventPartition
from cos.models.health_record import HealthRecord
from cos.models.health_state import HealthReason, HealthState
from cos.models.health_status import HealthStatus
from cos.models.module import Module
from cos.models.outbox_event import OutboxEvent
from cos.models.subscription import Subscription
from cos.models.subscription_group import SubscriptionGroup

__all__ = [
    "ApiToken",
    "BoardSession",
    "DeadLetter",
    "EventPartition",
    "HealthReason",
    "HealthRecord",
    "HealthState",
    "HealthStatus",
    "Module",
    "OutboxEvent",
    "Subscription",
    "SubscriptionGroup",
]
