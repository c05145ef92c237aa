"""The chain of a failure: what pytest saw, and all that it wraps, each told once."""

from __future__ import annotations

import re
from itertools import takewhile
from typing import TYPE_CHECKING, Final

from testkit.core.runs.failure import Raised
from testkit.record.evidence.exceptions import (
    cause_of,
    context_of,
    is_error,
    members_of,
    message_of,
    tracebacks_of,
)
from testkit.record.evidence.safely import attribute, type_name
from testkit.record.evidence.texts import told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.core.runs.failure import Link
    from testkit.record.evidence.places import Places, Tracebacks
    from testkit.record.evidence.texts import Budget

__all__ = ["Linked", "linked", "raised_from", "without_runner"]

#: An exception and how it hangs on the one before it.
Linked = tuple[BaseException, "Link"]
_MOST: Final = 20
_MOST_MEMBERS: Final = 8
_OWN_TEXT: Final = 4_000
_TEXT: Final = 1_500
_RUNNER: Final = re.compile(r"[\\/](?:_pytest|pluggy|pytest_asyncio|anyio|asyncio|unittest)[\\/]")
_ORIGINAL: Final = re.compile(r"[Oo]riginal exception was: ?(?P<message>.+)", re.DOTALL)
_TYPED: Final = re.compile(
    r"(?P<type>(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Warning)): (?P<message>.*)", re.DOTALL
)


def linked(error: BaseException) -> list[Linked]:
    """Return the exceptions of a chain, each once, at most twenty: cycles come to an end.

    The members of a group stand behind it, then what an attribute ``orig`` holds, then the cause,
    then the context.
    """
    found: list[Linked] = []
    seen: set[int] = set()

    def add(one: BaseException, link: Link) -> None:
        if id(one) in seen or len(found) >= _MOST:
            return
        seen.add(id(one))
        found.append((one, link))
        for other, how in _next(one):
            add(other, how)

    add(error, "raised")
    return found


def _next(error: BaseException) -> Iterator[Linked]:
    for member in members_of(error)[:_MOST_MEMBERS]:
        yield member, "group"
    original = attribute(error, "orig")
    if is_error(original):
        yield original, "orig"
    cause = cause_of(error)
    if cause is not None:
        yield cause, "cause"
    context, suppressed = context_of(error)
    if context is not None:
        yield context, "suppressed" if suppressed else "context"


def raised_from(chain: list[Linked], places: Places, budget: Budget) -> tuple[Raised, ...]:
    """Return the chain as it is told; where the budget is spent, without places."""
    found: list[Raised] = []
    for error, link in chain:
        tracebacks = without_runner(tracebacks_of(error), places)
        said = told(message_of(error, places), _OWN_TEXT if link == "raised" else _TEXT)
        frames = () if budget.spent else places.frames(tracebacks)
        found.append(Raised(type_name(type(error)), said, link, frames))
        budget.characters -= len(said) + sum(len(f.path) + len(f.text) + 60 for f in frames)
        original = _ORIGINAL.search(said)
        if original is not None:
            found.append(_of_text(original["message"].strip()))
    return tuple(found)


def _of_text(text: str) -> Raised:
    typed = _TYPED.match(text)
    if typed is None:
        return Raised("", text[:_TEXT], "text")
    return Raised(typed["type"], typed["message"][:_TEXT], "text")


def without_runner(tracebacks: Tracebacks, places: Places) -> Tracebacks:
    """Return the places without those of pytest and of a loop that lead to the test."""
    leading = takewhile(
        lambda one: (
            places.owner(one.tb_frame.f_code.co_filename) == "testkit"
            or _RUNNER.search(one.tb_frame.f_code.co_filename) is not None
        ),
        tracebacks,
    )
    left = tracebacks[len(list(leading)) :]
    return left or tracebacks[-1:]
