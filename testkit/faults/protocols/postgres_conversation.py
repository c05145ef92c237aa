"""A connection to Postgres: both directions of it, and what rules do to statements and replies."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from testkit.faults.protocols.postgres_replies import Replies
from testkit.faults.protocols.postgres_requests import Requests
from testkit.faults.protocols.postgres_shared import Shared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testkit.faults.protocols.rules import Rules
    from testkit.faults.protocols.steps import Step

__all__ = ["PostgresConversation"]


class PostgresConversation:
    """A conversation in version 3 of the protocol; what its methods promise says ``Conversation``.

    A statement is a simple query, or a Bind of the extended protocol with the Parse before it and
    the Execute behind it; each further Execute of the same portal is a request of its own.

    - Dropped: it, and all behind it up to its Sync, never reach the server.
    - Answered: the server gets a Bind that must fail in its place, so that its transaction is as
      aborted as the client believes (a ROLLBACK before that for a COMMIT, which ends it). It
      skips the rest up to the Sync, as it does after any error; the client gets the declared error
      in the place of the server's, in its turn, and the state that the server is in.
    - A reply begins with the first message after the reply to the statement before it. Lost, it is
      gone with all behind it up to ReadyForQuery, save notifications and
      parameters.
    """

    def __init__(self, rules: Rules) -> None:
        shared = Shared(rules=rules, units=deque())
        self._requests = Requests(shared)
        self._replies = Replies(shared)

    def from_client(self, data: bytes) -> Sequence[Step]:
        """Return what to do about bytes of the client."""
        return self._requests.feed(data)

    def from_server(self, data: bytes) -> Sequence[Step]:
        """Return what to do about bytes of the server."""
        return self._replies.feed(data)
