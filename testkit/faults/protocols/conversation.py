"""The interface between a relay and what understands its bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testkit.faults.protocols.postgres_conversation import PostgresConversation
from testkit.faults.protocols.redis_conversation import RedisConversation
from testkit.faults.protocols.steps import Close, Conversation, Forward, Hold, Noted, Reset, Step

if TYPE_CHECKING:
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


def redis_conversation(rules: Rules) -> Conversation:
    """Return a conversation in RESP2 or RESP3."""
    return RedisConversation(rules)


def postgres_conversation(rules: Rules) -> Conversation:
    """Return a conversation in the protocol of Postgres, version 3."""
    return PostgresConversation(rules)
