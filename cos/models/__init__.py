"""What the control center stores."""

from cos.models.health_state import HealthState
from cos.models.health_status import HealthStatus
from cos.models.module import Module

__all__ = ["HealthState", "HealthStatus", "Module"]
