"""The circuit breaker around Redis: one for a process, or for what shall fail on its own."""

import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from redis import exceptions

from cos.db.failures import reason
from cos.events.publishing.breaker import (
    Closed,
    Open,
    Outcome,
    Policy,
    State,
    Ticket,
    Transition,
    admit,
    record,
)

__all__ = ["Circuit", "CircuitOpenError", "Guard", "is_failure"]

LOGGER: Final = logging.getLogger(__name__)

# Whoever asks next would meet the same: the server cannot be reached, does not answer in time, is
# loading, is a replica, or has no memory or disk for a write. OSError covers asyncio's TimeoutError
# and what the driver lets through of its socket.
FAILURES: Final = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.ReadOnlyError,
    exceptions.OutOfMemoryError,
    exceptions.ClusterDownError,
    OSError,
)
# The same for answers that the driver has no class for, by their first word.
FAILURE_CODES: Final = {"MISCONF", "NOREPLICAS", "BUSY"}

Result = TypeVar("Result")


class CircuitOpenError(Exception):
    """The call was not made, because those before it failed; ``retry_in`` is in seconds."""

    def __init__(self, name: str, retry_in: float) -> None:
        super().__init__(f"{name} failed too often and is left alone for another {retry_in:.1f} s.")
        self.retry_in = retry_in


@dataclass(frozen=True, slots=True)
class Circuit:
    """A guard's state at one moment, for metrics.

    ``state`` is ``closed``, ``open`` or ``half-open``, for ``seconds`` now. ``failures``,
    ``rejected`` and ``opened`` count calls that failed, calls that were not made, and openings,
    since the guard was made.
    """

    state: str
    seconds: float
    retry_in: float
    failures: int
    rejected: int
    opened: int


def is_failure(error: BaseException) -> bool:
    """Tell whether ``error`` says that Redis cannot serve anybody now.

    What it answers to one command (a wrong type, no permission, a fault in a script) is the
    caller's own affair: the connection has proved itself.
    """
    if isinstance(error, FAILURES):
        return True
    code = str(error).partition(" ")[0]
    return isinstance(error, exceptions.ResponseError) and code in FAILURE_CODES


class Guard:
    """Lets calls through while they succeed, and spares a server that fails.

    Tasks of one event loop may share it: nothing is awaited between a look at the state and its
    change. It has no lock, so threads and loops need one each. ``clock`` gives seconds and should
    be monotonic, ``chance`` a number in [0, 1).
    """

    def __init__(
        self,
        name: str,
        *,
        policy: Policy | None = None,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._name = name
        self._policy = policy or Policy()
        self._clock = clock
        self._chance = chance
        self._state: State = Closed(clock())
        self._failures = 0
        self._rejected = 0
        self._opened = 0

    @property
    def circuit(self) -> Circuit:
        """The state now, and what was counted."""
        now = self._clock()
        return Circuit(
            state=self._state.name,
            seconds=max(0.0, now - self._state.since),
            retry_in=admit(self._policy, self._state, now=now).wait,
            failures=self._failures,
            rejected=self._rejected,
            opened=self._opened,
        )

    async def call(self, function: Callable[[], Awaitable[Result]]) -> Result:
        """Await ``function()``; raise `CircuitOpenError` instead while the circuit is open.

        Its own errors come through, after `is_failure` judged them. A time limit has to be within
        ``function``: from outside it is a cancellation, which says nothing of the server.
        """
        ticket = self._admitted()
        try:
            result = await function()
        except Exception as error:
            has_failed = is_failure(error)
            self._failures += has_failed
            self._record(ticket, Outcome.FAILURE if has_failed else Outcome.SUCCESS, error)
            raise
        except BaseException:
            self._record(ticket, Outcome.ABANDONED)
            raise
        self._record(ticket, Outcome.SUCCESS)
        return result

    def _admitted(self) -> Ticket:
        admission = admit(self._policy, self._state, now=self._clock())
        self._state = admission.state
        self._tell(admission.transition)
        if admission.ticket is None:
            self._rejected += 1
            raise CircuitOpenError(self._name, admission.wait)
        return admission.ticket

    def _record(self, ticket: Ticket, outcome: Outcome, error: Exception | None = None) -> None:
        self._state, transition = record(
            self._policy,
            self._state,
            ticket,
            outcome,
            now=self._clock(),
            chance=self._chance(),
        )
        self._tell(transition, error)

    def _tell(self, transition: Transition | None, error: Exception | None = None) -> None:
        if transition is None:
            return
        if transition.target != Open.name:
            LOGGER.info("%s: %s, %s", self._name, transition.target, transition.reason)
            return
        self._opened += 1
        LOGGER.warning(
            "%s: open for %.1f s, %s (%d of %d); the last one: %s",
            self._name,
            transition.cooldown,
            transition.reason,
            transition.failed,
            transition.calls,
            "-" if error is None else reason(error),
        )
