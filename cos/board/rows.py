"""The rows and figures that the parts of the board show: pure, made from what was read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from cos.board.views import STATES, Age, age, counted, shortened
from cos.events.publishing.backlog import Backlog
from cos.events.publishing.guard import Circuit
from cos.models import DeadLetter, HealthState, Module, OutboxEvent
from cos.services.health import SystemHealth

__all__ = [
    "DeadRow",
    "EventRow",
    "Fact",
    "Filter",
    "ModuleRow",
    "Part",
    "Summary",
    "dead_row",
    "event_row",
    "module_row",
    "summary_of",
]

# Seconds after which an event that waits is trouble.
LATE: Final = 10.0
# Letters of a text that are shown.
LONGEST: Final = 300
CIRCUIT_WORDS: Final = {
    "closed": "connected",
    "half-open": "trying again",
    "open": "unreachable, events wait",
}

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which modules a page shows; what is empty filters nothing."""

    search: str = ""
    state: HealthState | None = None
    cursor: str = ""

    def link(self, *, cursor: str = "") -> str:
        """Return the address of the page with this filter, at a position."""
        parts = {"search": self.search, "state": self.state or "", "cursor": cursor}
        query = urlencode({name: text for name, text in parts.items() if text})
        return f"/?{query}" if query else "/"

    @property
    def nothing(self) -> str:
        """What to say where no module passes."""
        if self.search or self.state:
            return "No module matches. Clear the name and choose all states to see every module."
        return "No module is registered yet. POST /cc/modules registers one, as the README shows."


@dataclass(frozen=True, slots=True)
class ModuleRow:
    """A module."""

    id: UUID
    name: str
    active: bool
    state: HealthState
    version: str
    beat: Age


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event; ``is_waiting`` until it is published."""

    id: UUID
    when: Age
    type: str
    text: str
    is_waiting: bool


@dataclass(frozen=True, slots=True)
class DeadRow:
    """A dead letter; ``is_waiting`` for the replay that somebody asked for."""

    id: int
    group: str
    event: str
    reason: str
    attempts: int
    failed: Age
    is_waiting: bool


@dataclass(frozen=True, slots=True)
class Fact:
    """A figure of the summary."""

    name: str
    value: str
    is_trouble: bool = False


@dataclass(frozen=True, slots=True)
class Part(Generic[Row]):
    """Rows and what stands around them; ``trouble`` says why there are none to show."""

    rows: Sequence[Row] = ()
    trouble: str = ""
    empty: str = ""
    more: str = ""
    cursor: str = ""
    first_link: str = ""
    next_link: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """The state of the system, its modules counted by state, and figures."""

    state: HealthState = HealthState.UNKNOWN
    counts: Sequence[tuple[HealthState, str]] = ()
    facts: Sequence[Fact] = ()
    trouble: str = ""


def module_row(module: Module, *, now: datetime) -> ModuleRow:
    """Return the row of a module."""
    return ModuleRow(
        module.id,
        module.name,
        module.active,
        module.state,
        module.version,
        age(module.last_active, now=now),
    )


def event_row(event: OutboxEvent, name: str | None, *, now: datetime) -> EventRow:
    """Return the row of an event; ``name`` is the module's today, None if it is gone."""
    shown = name or event.payload.get("name") or str(event.module_id)
    return EventRow(
        event.id,
        age(event.occurred_at, now=now),
        event.type,
        shortened(f"{shown}{_what(event.type, event.payload)}", LONGEST),
        event.published_at is None,
    )


def _what(kind: str, payload: Mapping[str, Any]) -> str:
    match kind, payload:
        case "health.changed", {"status": status, "previous": previous, "reason": reason}:
            return f": {previous} → {status} ({reason})"
        case "module.changed", {"changed": list() as changed, "version": version}:
            words = [f"version {version}" if name == "version" else str(name) for name in changed]
            return f": {', '.join(words)}"
        case "module.registered", {"version": version}:
            return f": version {version}"
    return ""


def dead_row(letter: DeadLetter, *, now: datetime) -> DeadRow:
    """Return the row of a dead letter."""
    event = f"{letter.type} {letter.sequence}" if letter.type else f"entry {letter.entry}"
    return DeadRow(
        letter.id,
        letter.group_name,
        event,
        shortened(letter.reason, LONGEST),
        letter.attempts,
        age(letter.last_failed_at, now=now),
        letter.replay_requested_at is not None,
    )


def summary_of(
    system: SystemHealth | None, backlog: Backlog | None, circuit: Circuit, *, trouble: str
) -> Summary:
    """Return the summary; without ``system`` and ``backlog`` only what this process knows."""
    facts = [Fact("Redis", CIRCUIT_WORDS[circuit.state], circuit.state != "closed")]
    if backlog is not None:
        is_late = backlog.oldest > LATE
        waits = f"{counted(backlog.count, 'event')}"
        waits += f", oldest {backlog.oldest:.0f} s" if is_late else ""
        facts.append(Fact("Outbox", waits if backlog.count else "empty", is_late))
    if system is None:
        return Summary(facts=facts, trouble=trouble)
    counts = [(state, f"{system.modules[state]:,}") for state in STATES]
    return Summary(system.status, counts, facts)
