"""What is to be done with an event, given how far its group has come with its module."""

from dataclasses import dataclass

__all__ = ["Again", "Behind", "Done", "Outcome", "Unavailable", "Wait", "judge"]


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing is left to do. ``dropped``: it was done before."""

    dropped: bool = False


@dataclass(frozen=True, slots=True)
class Behind:
    """Events between ``after`` and this one come first."""

    after: int


@dataclass(frozen=True, slots=True)
class Wait:
    """An attempt failed; the next one is due in ``seconds``."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Again:
    """It is the next one; something changed since it was tried."""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The database did not serve; that says nothing about the event."""


Outcome = Done | Behind | Wait | Again | Unavailable


def judge(stored: int, sequence: int, *, due_in: float = 0.0) -> Outcome:
    """Return what to do with an event of a module whose events up to ``stored`` are done.

    ``due_in``: seconds until the next attempt, if this event failed before.
    """
    if sequence <= stored:
        return Done(dropped=True)
    if sequence > stored + 1:
        return Behind(stored)
    return Wait(due_in) if due_in > 0 else Again()
