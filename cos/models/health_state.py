"""The states of health."""

from enum import StrEnum

__all__ = ["HealthState"]


class HealthState(StrEnum):
    """How a module, or the system, is."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    OFFLINE = "offline"
    UNKNOWN = "unknown"
