"""What becomes of a module's announced state when it is heard, and when it is not."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from cos.models.health_state import HealthReason, HealthState

__all__ = ["MOMENT", "Entry", "Heard", "Known", "Steps", "fall_silent", "hear"]

MOMENT: Final = timedelta(microseconds=1)
"""The least time between two heartbeats of one module; what the database can tell apart."""


@dataclass(frozen=True, slots=True)
class Known:
    """A module before and after a step: the announced state, and when it was last heard."""

    state: HealthState
    last_heartbeat: datetime | None


@dataclass(frozen=True, slots=True)
class Heard:
    """A heartbeat, and the time at which it was sent or received."""

    at: datetime
    status: HealthState
    details: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the history; ``announced`` when it changed the state of the module."""

    at: datetime
    status: HealthState
    previous: HealthState
    reason: HealthReason
    announced: bool
    details: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Steps:
    """What follows: the module as it is known now, and its history, oldest first.

    ``heard`` is the report that is the module's last word, None when there was no newer one.
    """

    known: Known
    entries: tuple[Entry, ...] = ()
    heard: Heard | None = None


def hear(known: Known, reports: Iterable[Heard], *, silent_before: datetime) -> Steps:
    """Return what follows from ``reports``, which came in this order.

    One that is older than the last was overtaken: it is recorded, and changes nothing else. One of
    the same time is the same one, delivered twice. One from before ``silent_before`` is recorded
    and announces nothing: the module has been silent for too long since then.
    """
    entries: list[Entry] = []
    heard: Heard | None = None
    for report in reports:
        if report.at == known.last_heartbeat:
            continue
        overtaken = known.last_heartbeat is not None and report.at < known.last_heartbeat
        announced = (
            not overtaken and report.status is not known.state and report.at >= silent_before
        )
        entries.append(
            Entry(
                at=report.at,
                status=report.status,
                previous=known.state,
                reason=HealthReason.HEARTBEAT,
                announced=announced,
                details=report.details,
            )
        )
        if not overtaken:
            heard = report
            known = Known(report.status if announced else known.state, report.at)
    return Steps(known, tuple(entries), heard)


def fall_silent(known: Known, *, registered: datetime, now: datetime) -> Steps:
    """Return what follows when a module was found silent for too long: once offline, nothing."""
    if known.state is HealthState.OFFLINE:
        return Steps(known)
    since = known.last_heartbeat or registered
    entry = Entry(
        at=max(now, since + MOMENT),
        status=HealthState.OFFLINE,
        previous=known.state,
        reason=HealthReason.SILENCE,
        announced=True,
        details={"silent_since": since.isoformat()},
    )
    return Steps(replace(known, state=HealthState.OFFLINE), (entry,))
