"""What a conversation tells its relay to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testkit.faults.protocols.rules import Rule

__all__ = [
    "TO_CLIENT",
    "TO_SERVER",
    "Close",
    "Conversation",
    "Direction",
    "Forward",
    "Hold",
    "Kind",
    "Noted",
    "Reset",
    "Step",
]

Direction: TypeAlias = Literal["to_server", "to_client"]
Kind: TypeAlias = Literal["request", "reply", "garbage"]
TO_SERVER: Final[Direction] = "to_server"
TO_CLIENT: Final[Direction] = "to_client"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do; steps are done in their order."""


@dataclass(frozen=True, slots=True)
class Forward(Step):
    """Send these bytes on; they may have come from the other side, or be the conversation's own."""

    data: bytes
    to: Direction


@dataclass(frozen=True, slots=True)
class Hold(Step):
    """Let what follows in this direction wait so many seconds."""

    seconds: float
    to: Direction


@dataclass(frozen=True, slots=True)
class Reset(Step):
    """Reset the connection (RST) on both sides; no further step follows."""


@dataclass(frozen=True, slots=True)
class Close(Step):
    """Close both sides in an orderly way, after what was forwarded; no further step follows."""


@dataclass(frozen=True, slots=True)
class Noted(Step):
    """Write into the log what passed: ``what`` is the entry, ``rule`` the one that struck it."""

    what: str
    rule: Rule | None
    kind: Kind


class Conversation(Protocol):
    """One connection, from its first byte on.

    Bytes may be cut anywhere. Neither method raises; behind ``Reset`` or ``Close`` both give
    nothing.
    """

    def from_client(self, data: bytes) -> Sequence[Step]:
        """Return what to do about bytes of the client."""
        ...

    def from_server(self, data: bytes) -> Sequence[Step]:
        """Return what to do about bytes of the server."""
        ...
