"""A heartbeat as an entry of a Redis stream: what its fields mean, and when it was sent."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NoReturn
from uuid import UUID

from cos.db.storable import storable_object
from cos.models.health_state import HealthState
from cos.services.transitions import MOMENT, Heard

__all__ = ["MAX_AHEAD", "Arrival", "MalformedHeartbeatError", "in_order", "read"]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MAX_AHEAD: Final = timedelta(seconds=60)
"""By how much the clock of Redis may be ahead of the database's for its times to be taken."""
# Entries of one millisecond are told apart by microseconds.
LAST_MICROSECOND: Final = 999


@dataclass(frozen=True, slots=True)
class Arrival:
    """A heartbeat that a module, or somebody for it, appended."""

    module_id: UUID
    heard: Heard


class MalformedHeartbeatError(ValueError):
    """The entry is no heartbeat; ``str`` says why, and repeats nothing that was sent."""


def read(entry_id: bytes, fields: Mapping[bytes, bytes]) -> Arrival:
    """Return the heartbeat of an entry; raise `MalformedHeartbeatError` where it is none.

    ``module`` is the module's id. ``status`` is healthy and ``details``, a JSON object, is empty
    where they are left out. Other fields are passed over.
    """
    try:
        module_id = UUID(fields[b"module"].decode("ascii"))
    except KeyError:
        raise MalformedHeartbeatError("the field module is missing") from None
    except ValueError:
        raise MalformedHeartbeatError("the field module is no UUID") from None
    try:
        status = HealthState(fields.get(b"status", b"healthy").decode("ascii"))
    except ValueError:
        raise MalformedHeartbeatError("the field status is no state of health") from None
    return Arrival(module_id, Heard(_sent(entry_id), status, _details(fields.get(b"details"))))


def in_order(reports: list[Heard], *, last: datetime | None, now: datetime) -> list[Heard]:
    """Return the reports, those with a time that cannot be right with the time of their arrival.

    A time is taken up to `MAX_AHEAD` after ``now``. ``last`` is the module's last heartbeat: what
    is given a time here is later than that, and than the reports before it.
    """
    found: list[Heard] = []
    for report in reports:
        at = report.at
        if at > now + MAX_AHEAD:
            at = now if last is None else max(now, last + MOMENT)
        last = at if last is None else max(last, at)
        found.append(Heard(at, report.status, report.details))
    return found


def _sent(entry_id: bytes) -> datetime:
    milliseconds, _, number = entry_id.partition(b"-")
    microseconds = min(int(number), LAST_MICROSECOND)
    try:
        return EPOCH + timedelta(milliseconds=int(milliseconds), microseconds=microseconds)
    except OverflowError:
        # In no calendar, and so not right.
        return datetime.max.replace(tzinfo=UTC)


def _details(text: bytes | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        details = json.loads(text.decode("utf-8"), parse_constant=_refuse_constant)
        storable_object(details)
    except (ValueError, RecursionError):
        raise MalformedHeartbeatError("the field details is no JSON that can be stored") from None
    if not isinstance(details, dict):
        raise MalformedHeartbeatError("the field details is no JSON object")
    return details


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
