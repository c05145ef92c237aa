"""What a conversation tells the relay to do with the bytes that came in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Close",
    "Conversation",
    "Direction",
    "Forward",
    "Hold",
    "Noted",
    "Reset",
    "Step",
]

Direction = Literal["to_server", "to_client"]


class Step:
    """One thing to do; they are done in order."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Forward(Step):
    """Send these bytes on, or answer with them, behind what goes that way already."""

    data: bytes
    to: Direction


@dataclass(frozen=True, slots=True)
class Hold(Step):
    """Let what follows in this direction wait so many seconds."""

    seconds: float
    to: Direction


@dataclass(frozen=True, slots=True)
class Reset(Step):
    """Reset both sides."""


@dataclass(frozen=True, slots=True)
class Close(Step):
    """Close the client's side in order, behind what was forwarded to it."""


@dataclass(frozen=True, slots=True)
class Noted(Step):
    """Note something for the log; ``rule`` is what struck."""

    what: str
    rule: object | None
    kind: Literal["request", "reply", "garbage"]


class Conversation(Protocol):
    """Understands one connection; it never raises, and takes pieces of any size."""

    def from_client(self, data: bytes) -> Sequence[Step]:
        """Answer what to do with bytes that the client sent."""

    def from_server(self, data: bytes) -> Sequence[Step]:
        """Answer what to do with bytes that the server sent."""
