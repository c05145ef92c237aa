"""What the control center stores."""

from cos.models.access_scope import AccessScope
from cos.models.api_token import ApiToken
from cos.models.board_session import BoardSession
from cos.models.health_state import HealthState
from cos.models.health_status import HealthStatus
from cos.models.module import Module

__all__ = ["AccessScope", "ApiToken", "BoardSession", "HealthState", "HealthStatus", "Module"]
