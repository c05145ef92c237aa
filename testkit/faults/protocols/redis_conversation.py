"""A connection to Redis: both directions of it, and what rules do to requests and replies."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from testkit.faults.protocols.redis_replies import Replies
from testkit.faults.protocols.redis_requests import Requests
from testkit.faults.protocols.redis_session import Session
from testkit.faults.protocols.redis_shared import Shared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testkit.faults.protocols.rules import Rules
    from testkit.faults.protocols.steps import Step

__all__ = ["RedisConversation"]


class RedisConversation:
    """A conversation in RESP2 or RESP3; what its methods promise says ``Conversation``.

    Dropped requests and lost replies are taken out, what follows goes on. A request that is
    answered gets its error in its turn, behind the replies to those before it; inside MULTI it
    makes EXEC fail, as an error in the queue does: the server gets DISCARD in its place. The
    reply to a command inside MULTI is its QUEUED, the reply to SUBSCRIBE all its confirmations.
    """

    def __init__(self, rules: Rules) -> None:
        shared = Shared(rules=rules, session=Session(), pending=deque())
        self._replies = Replies(shared)
        self._requests = Requests(shared, self._replies.answer_at_once)

    def from_client(self, data: bytes) -> Sequence[Step]:
        """Return what to do about bytes of the client."""
        return self._requests.feed(data)

    def from_server(self, data: bytes) -> Sequence[Step]:
        """Return what to do about bytes of the server."""
        return self._replies.feed(data)
