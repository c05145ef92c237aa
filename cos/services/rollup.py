"""How modules are, judged from what they reported; how the system is, judged from its modules."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cos.models.health_state import HealthState

__all__ = ["Report", "SystemState", "judge", "roll_up"]


@dataclass(frozen=True, slots=True)
class Report:
    """What is known of one module. ``reported`` is None when it never sent a heartbeat."""

    registered: datetime
    last_heartbeat: datetime | None = None
    reported: HealthState | None = None


@dataclass(frozen=True, slots=True)
class SystemState:
    """The state of the system, and how many modules are in each state."""

    state: HealthState
    counts: Mapping[HealthState, int]


def judge(report: Report, *, now: datetime, offline_after: timedelta) -> HealthState:
    """Return the state of a module at ``now``.

    Silent for longer than ``offline_after``, counted from its registration when it never sent a
    heartbeat, it is offline. Otherwise it is what it reported, and unknown before it reports.
    """
    if now - (report.last_heartbeat or report.registered) > offline_after:
        return HealthState.OFFLINE
    return report.reported or HealthState.UNKNOWN


def roll_up(states: Iterable[HealthState] | Mapping[HealthState, int]) -> SystemState:
    """Return the state of the system of modules in ``states``, listed or counted.

    Modules that agree decide it; nobody to ask is unknown. Of mixed states, one that is degraded or
    offline makes it degraded, and healthy beside unknown is unknown.
    """
    found = +Counter(states)
    counts = {state: found[state] for state in HealthState}
    if len(found) == 1:
        (state,) = found
    elif found[HealthState.DEGRADED] or found[HealthState.OFFLINE]:
        state = HealthState.DEGRADED
    else:
        state = HealthState.UNKNOWN
    return SystemState(state, counts)
