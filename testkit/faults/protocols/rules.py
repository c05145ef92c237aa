"""Rules: which request or reply is struck, and what happens to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from testkit.core.messages import TestkitError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

__all__ = ["Action", "Answer", "Break", "Cut", "Delay", "Drop", "Request", "Rule", "Rules"]


@dataclass(frozen=True, slots=True)
class Drop:
    """Swallow it."""


@dataclass(frozen=True, slots=True)
class Delay:
    """Let it, and what follows in its direction, wait."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer a request with this frame; the server never sees the request."""

    frame: bytes


@dataclass(frozen=True, slots=True)
class Break:
    """Reset the connection instead of forwarding it."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Forward the first bytes of a reply, then close the connection."""

    after: int


Action: TypeAlias = Drop | Delay | Answer | Break | Cut


class Request(Protocol):
    """What rules look at."""

    @property
    def names(self) -> Collection[str]:
        """Return the names that it answers to, in upper case."""
        ...


@dataclass(slots=True, eq=False)
class Rule:
    """One declared fault of a protocol, and what became of it; ``text`` is the call that made it.

    ``name`` None matches every request that ``matches``. ``nth`` counts, from the declaration, the
    requests (or replies) that match; None strikes every one. ``broken`` is the error of a predicate
    that raised: such a rule matches nothing from then on.
    """

    text: str
    listens: Literal["request", "reply"]
    name: str | None
    action: Action
    nth: int | None = 1
    matches: Callable[[Any], bool] | None = None
    seen: int = 0
    struck: int = 0
    broken: TestkitError | None = None

    @property
    def used_up(self) -> bool:
        """Return whether it will never strike again."""
        return self.broken is not None or (self.nth is not None and self.struck > 0)

    def counts(self, request: Request) -> bool:
        """Count the request if it matches, and return whether it is this rule's turn."""
        if self.used_up or (self.name is not None and self.name not in request.names):
            return False
        try:
            if self.matches is not None and not self.matches(request):
                return False
        # The predicate is the user's: whatever it raises belongs to the rule, not the relay. What
        # pytest.fail raises is no Exception, and would end the relays' thread.
        except BaseException as error:  # noqa: BLE001
            self.broken = TestkitError("TK629", rule=self.text, error=repr(error))
            self.broken.__cause__ = error
            return False
        self.seen += 1
        return self.nth is None or self.seen >= self.nth


class Rules:
    """The rules of one relay, in the order of their declaration; shared by its connections.

    A request is taken by the first rule whose turn it is. Every rule counts every request that
    matches it: one whose turn went to an earlier rule strikes the next that matches.
    """

    __slots__ = ("names", "replies", "requests")

    def __init__(self) -> None:
        # Tuples are replaced, never changed: a conversation may be walking through one.
        self.requests: tuple[Rule, ...] = ()
        self.replies: tuple[Rule, ...] = ()
        #: The names that a rule listens to; None among them: to all.
        self.names: frozenset[str | None] = frozenset()

    def add(self, rule: Rule) -> None:
        """Let a rule listen from now on."""
        if rule.listens == "request":
            self.requests += (rule,)
        else:
            self.replies += (rule,)
        self._name()

    def remove(self, rule: Rule) -> None:
        """Let a rule listen no more; one that does not listen is no error."""
        self.requests = tuple(other for other in self.requests if other is not rule)
        self.replies = tuple(other for other in self.replies if other is not rule)
        self._name()

    def _name(self) -> None:
        self.names = frozenset(rule.name for rule in self.requests + self.replies)

    def take(self, rules: tuple[Rule, ...], request: Request) -> Rule | None:
        """Return the rule of these (``requests`` or ``replies``) that strikes this request."""
        taken: Rule | None = None
        for rule in rules:
            if rule.counts(request) and taken is None:
                rule.struck += 1
                taken = rule
        return taken
