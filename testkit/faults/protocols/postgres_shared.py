"""What both directions of a connection to Postgres know."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from testkit.faults.protocols.steps import Noted

if TYPE_CHECKING:
    from collections import deque

    from testkit.faults.protocols.postgres_statements import Statement
    from testkit.faults.protocols.rules import Rule, Rules
    from testkit.faults.protocols.steps import Step

__all__ = ["ENCRYPTION_ANSWERED", "Asked", "Phase", "Shared", "Unit", "struck"]

#: "startup": before the startup message. "ssl": the server's one byte about encryption is awaited.
Phase: TypeAlias = Literal["startup", "ssl", "messages"]
ENCRYPTION_ANSWERED: Final = Noted("reply to encryption", None, "reply")


@dataclass(slots=True)
class Asked:
    """One statement that the server was asked to execute.

    ``answer``: the error that the client gets for it; the server got something in its place.
    ``begun``: the reply has begun, ``rule`` struck it.
    """

    statement: Statement
    answer: bytes | None = None
    begun: bool = False
    rule: Rule | None = None


@dataclass(slots=True)
class Unit:
    """What one ReadyForQuery ends: a simple query, or all up to a Sync.

    ``at``: which of the statements is being answered. ``closed``: its Sync was sent.
    ``noted``: what is noted at its end, of a unit without statements.
    """

    extended: bool
    closed: bool
    asked: list[Asked] = field(default_factory=list)
    at: int = 0
    failed: bool = False
    noted: Noted | None = None

    @property
    def current(self) -> Asked | None:
        """Return the statement whose reply comes next, None where none is known."""
        return self.asked[self.at] if self.at < len(self.asked) and not self.failed else None


@dataclass(slots=True)
class Shared:
    """One connection. ``over``: nothing follows; ``blind``: bytes are passed on unread."""

    rules: Rules
    units: deque[Unit]
    phase: Phase = "startup"
    over: bool = False
    blind: bool = False

    def open_unit(self) -> Unit | None:
        """Return the unit whose Sync is still to come, None where there is none."""
        last = self.units[-1] if self.units else None
        return last if last is not None and not last.closed else None

    def give_up(self, why: str, steps: list[Step]) -> None:
        """Pass everything on unread from here, and say so once."""
        if not self.blind:
            self.blind = True
            steps.append(Noted(f"{why}: passed on unread from here", None, "garbage"))


def struck(noted: Noted, rule: Rule | None) -> Noted:
    """Return the note with the rule that struck."""
    return noted if rule is None else Noted(noted.what, rule, noted.kind)
