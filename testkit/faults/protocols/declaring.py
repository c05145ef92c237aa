"""What the declarations of protocol faults share: which one is struck, and what happens to it."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from testkit.core.messages import TestkitError
from testkit.faults.protocols.rules import Break, Cut, Delay, Drop, Rule

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from testkit.faults.protocols.rules import Action

__all__ = ["Declaration", "wrong_action", "wrong_choice"]

Fault = TypeVar("Fault")


class Declaration(Generic[Fault]):
    """A fault that is being declared; nothing happens before one of the last methods is called.

    It strikes the next request or reply that matches, counted from its declaration, over all
    connections of the relay; ``nth`` and ``every`` choose others.
    """

    def __init__(
        self,
        declare: Callable[[Rule], Fault],
        listens: Literal["request", "reply"],
        what: str,
        name: str | None,
        matches: Callable[[Any], bool] | None,
    ) -> None:
        self._declare = declare
        self._listens: Literal["request", "reply"] = listens
        self._what, self._name, self._matches = what, name, matches
        self._nth: int | None = 1

    def nth(self, number: int) -> Self:
        """Strike the one of this number, counted from 1. Raises TK621."""
        if not _is_whole(number) or number < 1:
            raise TestkitError("TK621", call=f"{self._what}.nth({number!r})")
        return self._choosing(number)

    def every(self) -> Self:
        """Strike every one until the fault ends."""
        return self._choosing(None)

    def dropped(self) -> Fault:
        """Swallow it: the server never sees the request, or the client never sees the reply."""
        return self._declared(Drop(), "dropped()" if self._listens == "request" else "lost()")

    def lost(self) -> Fault:
        """Do the same as ``dropped``: the server did it, and the client does not know."""
        return self.dropped()

    def delayed(self, seconds: float) -> Fault:
        """Let it wait, and with it all that follows in its direction. Raises TK622."""
        if not _is_number(seconds) or seconds < 0:
            reason = "seconds are a number, not negative"
            raise wrong_action(f"{self._what}.delayed({seconds!r})", reason)
        return self._declared(Delay(float(seconds)), f"delayed({seconds:g})")

    def reset(self) -> Fault:
        """Reset the connection instead of forwarding it."""
        return self._declared(Break(), "reset()")

    def cut(self, *, after: int) -> Fault:
        """Close the connection after so many bytes of the reply, at its end if it is shorter.

        Raises TK622, also for a request.
        """
        call = f"{self._what}.cut(after={after!r})"
        if self._listens == "request":
            raise wrong_action(call, "only a reply can be cut")
        if not _is_whole(after) or after < 0:
            raise wrong_action(call, "bytes are a whole number, not negative")
        return self._declared(Cut(after), f"cut(after={after})")

    def _choosing(self, nth: int | None) -> Self:
        chosen = copy.copy(self)
        chosen.__dict__["_nth"] = nth
        return chosen

    def _declared(self, action: Action, done: str) -> Fault:
        which = "" if self._nth == 1 else f".nth({self._nth})" if self._nth else ".every()"
        text = f"{self._what}{which}.{done}"
        rule = Rule(text, self._listens, self._name, action, self._nth, self._matches)
        return self._declare(rule)

    def __repr__(self) -> str:
        return f"<{self._what}, not declared yet: it lacks what is to happen>"


def wrong_choice(call: str, reason: str) -> TestkitError:
    """Return the error of a request or reply that no rule can be made for."""
    return TestkitError("TK620", call=call, reason=reason)


def wrong_action(call: str, reason: str) -> TestkitError:
    """Return the error of something that cannot happen to it."""
    return TestkitError("TK622", call=call, reason=reason)


def _is_whole(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool)


def _is_number(number: object) -> bool:
    return _is_whole(number) or (isinstance(number, float) and math.isfinite(number))
