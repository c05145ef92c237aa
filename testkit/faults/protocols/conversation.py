"""The interface between a relay and what understands its bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from testkit.faults.protocols.postgres_conversation import PostgresConversation
from testkit.faults.protocols.redis_conversation import RedisConversation
from testkit.faults.protocols.steps import Close, Forward, Hold, Noted, Reset, Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testkit.faults.protocols.rules import Rules

__all__ = [
    "Close",
    "Conversation",
    "Forward",
    "Hold",
    "Noted",
    "Reset",
    "Step",
    "postgres_conversation",
    "redis_conversation",
]


class Conversation(Protocol):
    """One connection, from its first byte on.

    Bytes may be cut anywhere. Neither method raises; after ``Reset`` or ``Close`` both give nothing.
    """

    def from_client(self, data: bytes) -> Sequence[Step]:
        """Return what to do about bytes of the client."""
        ...

    def from_server(self, data: bytes) -> Sequence[Step]:
        """Return what to do about bytes of the server."""
        ...


def redis_conversation(rules: Rules) -> Conversation:
    """Return a conversation in RESP2 or RESP3."""
    return RedisConversation(rules)


def postgres_conversation(rules: Rules) -> Conversation:
    """Return a conversation in the protocol of Postgres, version 3."""
    return PostgresConversation(rules)
