"""What both directions of a connection to Redis know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from testkit.faults.protocols.steps import Noted

if TYPE_CHECKING:
    from collections import deque

    from testkit.faults.protocols.redis_commands import Command, RedisRequest
    from testkit.faults.protocols.redis_session import Session
    from testkit.faults.protocols.rules import Rule, Rules
    from testkit.faults.protocols.steps import Step

__all__ = ["Pending", "Shared", "Uneven", "struck"]


@dataclass(slots=True)
class Uneven:
    """A command that is not simply answered by one reply of the server.

    ``local``: this frame answers it, the server knows nothing of it. ``instead``: this frame takes
    the place of the server's reply. ``replies``: so many of the server's are left, None until the
    first one; ``kind`` is the first byte of that.
    """

    request: RedisRequest
    local: bytes | None = None
    instead: bytes | None = None
    replies: int | None = 1
    kind: int = 0
    rule: Rule | None = None


#: The command, the bytes that it stands in and where; None where one reply answers it.
Pending: TypeAlias = "tuple[Command, bytes, int, Uneven | None]"


@dataclass(slots=True)
class Shared:
    """One connection. ``over``: nothing follows; ``blind``: bytes are passed on unread."""

    rules: Rules
    session: Session
    pending: deque[Pending]
    over: bool = False
    blind: bool = False

    def give_up(self, why: str, steps: list[Step]) -> None:
        """Pass everything on unread from here, and say so once."""
        if not self.blind:
            self.blind = True
            steps.append(Noted(f"{why}: passed on unread from here", None, "garbage"))


def struck(noted: Noted, rule: Rule | None) -> Noted:
    """Return the note with the rule that struck."""
    return noted if rule is None else Noted(noted.what, rule, noted.kind)
