"""A circuit breaker as a pure state machine: closed, open, half-open.

It is given the time, in seconds of one clock, and chance, a number in [0, 1); it asks for neither.
A clock that stands still does no harm. Where it went backwards, a moment that would lie in the
future counts as now: a wait begins again then, and never becomes longer than it was to be.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar, Final, TypeAlias

__all__ = [
    "Admission",
    "Closed",
    "HalfOpen",
    "Open",
    "Outcome",
    "Policy",
    "Reason",
    "State",
    "Ticket",
    "Transition",
    "admit",
    "record",
]

# 2 to this power times any cool-down is beyond every cap, and still a float.
MOST_DOUBLINGS: Final = 64


@dataclass(frozen=True, slots=True)
class Policy:
    """When the circuit opens, and for how long. Durations are seconds.

    It opens when, of the last ``calls`` outcomes that are no older than ``window``, at least
    ``failures`` failed and their share reaches ``rate``. The cool-down doubles with each opening
    that follows a failed probe, up to ``longest_cooldown``; chance takes off up to ``jitter`` of
    it, so that many processes do not come back at once. A probe without an outcome is given up
    after ``probe_deadline``. Raises `ValueError` where these contradict one another.
    """

    calls: int = 20
    window: float = 30.0
    failures: int = 3
    rate: float = 0.5
    cooldown: float = 1.0
    longest_cooldown: float = 30.0
    jitter: float = 0.2
    probe_deadline: float = 10.0

    def __post_init__(self) -> None:
        """Refuse what could never open, or never close."""
        if not 1 <= self.failures <= self.calls:
            raise ValueError(f"failures must be from 1 to calls, not {self.failures}")
        if not (0 <= self.rate <= 1 and 0 <= self.jitter < 1):
            raise ValueError(f"rate and jitter are shares, not {self.rate} and {self.jitter}")
        if not (self.window > 0 and self.probe_deadline > 0):
            raise ValueError("window and probe_deadline must be longer than nothing")
        if not 0 < self.cooldown <= self.longest_cooldown:
            raise ValueError("cooldown must be longer than nothing, and not above the longest")


class Outcome(StrEnum):
    """How an admitted call ended; ABANDONED says nothing of the other side."""

    SUCCESS = "success"
    FAILURE = "failure"
    ABANDONED = "abandoned"


class Reason(StrEnum):
    """Why the circuit changed."""

    TOO_MANY_FAILURES = "too many failures"
    COOLED_DOWN = "cooled down"
    PROBE_SUCCEEDED = "probe succeeded"
    PROBE_FAILED = "probe failed"
    PROBE_GIVEN_UP = "probe given up"


@dataclass(frozen=True, slots=True)
class Ticket:
    """The right to one call; what it reports counts in its own generation only."""

    generation: int


@dataclass(frozen=True, slots=True)
class Closed:
    """Every call is admitted; ``recent`` has when each of the last ended, and whether it failed."""

    name: ClassVar[str] = "closed"

    since: float
    generation: int = 0
    recent: tuple[tuple[float, bool], ...] = ()


@dataclass(frozen=True, slots=True)
class Open:
    """No call is admitted for ``cooldown`` seconds; ``openings`` counts those in a row."""

    name: ClassVar[str] = "open"

    since: float
    generation: int
    openings: int
    cooldown: float


@dataclass(frozen=True, slots=True)
class HalfOpen:
    """One call at a time is admitted; ``probe_since`` is None while there is none."""

    name: ClassVar[str] = "half-open"

    since: float
    generation: int
    openings: int
    probe_since: float | None


State: TypeAlias = Closed | Open | HalfOpen


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of the circuit; a probe that is given up leads from half-open to half-open.

    ``failed`` of ``calls`` outcomes were failures when it opened. ``cooldown`` is that of an
    opening, else 0.
    """

    source: str
    target: str
    reason: Reason
    at: float
    failed: int = 0
    calls: int = 0
    cooldown: float = 0.0


@dataclass(frozen=True, slots=True)
class Admission:
    """What becomes of one call: ``state`` is the next one, whether it was admitted or not.

    Without a ticket it is refused; ``wait`` is how many seconds later asking again makes sense.
    """

    state: State
    ticket: Ticket | None = None
    wait: float = 0.0
    transition: Transition | None = None


def admit(policy: Policy, state: State, *, now: float) -> Admission:
    """Decide on a call that would begin ``now``. A ticket must come back to `record`."""
    match state:
        case Closed():
            return Admission(state, Ticket(state.generation))
        case Open():
            since = min(state.since, now)
            wait = state.cooldown - (now - since)
            if wait > 0:
                return Admission(replace(state, since=since), wait=wait)
            return _probe(state, now, Reason.COOLED_DOWN)
        case HalfOpen():
            if state.probe_since is None:
                return _probe(state, now, None)
            began = min(state.probe_since, now)
            wait = policy.probe_deadline - (now - began)
            if wait > 0:
                # The probe may end any moment: nobody should sit out its whole deadline.
                waiting = replace(state, probe_since=began)
                return Admission(waiting, wait=min(wait, policy.cooldown))
            return _probe(state, now, Reason.PROBE_GIVEN_UP)


def record(
    policy: Policy, state: State, ticket: Ticket, outcome: Outcome, *, now: float, chance: float
) -> tuple[State, Transition | None]:
    """Return the state after a call of ``ticket`` ended ``now``, and the change, if it is one.

    A ticket of another generation changes nothing: what it reports was true before.
    """
    if ticket.generation != state.generation:
        return state, None
    match state:
        case Closed():
            return _counted(policy, state, outcome, now, chance)
        case HalfOpen():
            return _judged(policy, state, outcome, now, chance)
        case Open():
            return state, None


def _probe(state: Open | HalfOpen, now: float, reason: Reason | None) -> Admission:
    """Admit one probe, in a generation of its own: one that was given up cannot speak for it."""
    generation = state.generation + 1
    since = now if isinstance(state, Open) else state.since
    transition = None
    if reason is not None:
        transition = Transition(state.name, HalfOpen.name, reason, now)
    return Admission(
        HalfOpen(since, generation, state.openings, probe_since=now),
        Ticket(generation),
        transition=transition,
    )


def _counted(
    policy: Policy, state: Closed, outcome: Outcome, now: float, chance: float
) -> tuple[State, Transition | None]:
    if outcome is Outcome.ABANDONED:
        return state, None
    has_failed = outcome is Outcome.FAILURE
    known = ((min(at, now), failed) for at, failed in state.recent)
    recent = tuple(call for call in known if now - call[0] <= policy.window)
    recent = (*recent, (now, has_failed))[-policy.calls :]
    failed = sum(failed for _, failed in recent)
    # A success opens nothing, even if the ones before it have just become too old to count.
    if not has_failed or failed < policy.failures or failed < policy.rate * len(recent):
        return replace(state, recent=recent), None
    opened = Open(now, state.generation + 1, 1, _cooldown(policy, 1, chance))
    return opened, Transition(
        state.name,
        opened.name,
        Reason.TOO_MANY_FAILURES,
        now,
        failed=failed,
        calls=len(recent),
        cooldown=opened.cooldown,
    )


def _judged(
    policy: Policy, state: HalfOpen, outcome: Outcome, now: float, chance: float
) -> tuple[State, Transition | None]:
    generation = state.generation + 1
    if outcome is Outcome.ABANDONED:
        return replace(state, generation=generation, probe_since=None), None
    if outcome is Outcome.SUCCESS:
        closed = Closed(now, generation)
        return closed, Transition(state.name, closed.name, Reason.PROBE_SUCCEEDED, now)
    openings = state.openings + 1
    opened = Open(now, generation, openings, _cooldown(policy, openings, chance))
    return opened, Transition(
        state.name,
        opened.name,
        Reason.PROBE_FAILED,
        now,
        failed=1,
        calls=1,
        cooldown=opened.cooldown,
    )


def _cooldown(policy: Policy, openings: int, chance: float) -> float:
    doubled = policy.cooldown * 2.0 ** min(openings - 1, MOST_DOUBLINGS)
    return min(doubled, policy.longest_cooldown) * (1 - policy.jitter * chance)
