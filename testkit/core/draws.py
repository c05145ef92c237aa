"""Values that nobody else draws: names, short texts, numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from testkit.core.draw_forms import COUNTS, base36, compact, readable
from testkit.core.messages import TestkitError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from testkit.core.current import RunningTest

__all__ = ["Draws", "Outside"]

T = TypeVar("T")
_SHORTEST_COMPACT: Final = len(compact("0", 0))
#: Of spaces up to this size every number is drawn from the counter that all processes share.
_ONE_BY_ONE: Final = 100_000
_BLOCK: Final = 1000


class Outside(Protocol):
    """What draws need from the machine. Nothing of it raises where no file can be written."""

    def new_token(self) -> str:
        """Return eight random hexadecimal digits, and begin a log of what is drawn under them."""

    def advance(self, space: str, choose: Callable[[int], tuple[int, int]]) -> int:
        """Move the counter that all processes of the project share, under its lock.

        ``choose`` is given where it stands, any number at first. It answers what is taken, which
        is returned, and where the counter stands from then on.
        """

    def note_count(self, first: int, doing: str) -> bool:
        """Log who draws from this count on; False where the log cannot be continued."""

    def note_number(self, space: str, number: int, text: str, doing: str) -> None:
        """Log who drew a number of a space, and how it was written."""


class Draws:
    """What one process draws; any of its threads may draw at any time.

    ``worker`` names the process for people. ``lock`` lets the thread in that holds it already.
    """

    def __init__(
        self,
        *,
        worker: str,
        running: RunningTest,
        outside: Outside,
        lock: AbstractContextManager[object],
    ) -> None:
        self._worker, self._running, self._outside, self._lock = worker, running, outside, lock
        self._token: str | None = None
        self.count = 0  # the last one that was drawn under the token
        self._noted: object = self  # who the log says is drawing: nobody yet
        self._held: dict[str, dict[int, object]] = {}
        self._held_by: dict[object, list[tuple[str, int]]] = {}
        self._blocks: dict[tuple[str, int], list[int]] = {}

    def name(self, prefix: str = "name") -> str:
        """Return ``prefix-gw1-7f3a9c2e-0042``, with the prefix as it is given."""
        name = self._named("", None)
        return f"{prefix}-{name}"

    def text(self, prefix: str, *, length: int | None = None, space: str = "text") -> str:
        """Return a text of lower-case ASCII letters, digits and -, at most ``length`` long.

        It reads ``prefix-gw1-7f3a9c2e-0042`` where that fits, with the prefix cut if need be; below
        that it is token and count in base 36. What is too short for those is a ``number`` of the
        space in base 36. Raises TK411 as that does.
        """
        if length is None or length >= _SHORTEST_COMPACT:
            return self._named(prefix, length)
        with self._lock:
            number = self._number(space, 36**length)
            found = base36(number, length)
            self._note(space, number, found)
        return found

    def written(self, make: Callable[[Any], T]) -> T:
        """Return what ``make`` makes of the draws that it is given, which are these.

        The log has the numbers that it draws as the value reads: a date, a member of an enum.
        """
        noting = _Noting(self)
        value = make(noting)
        for space, number in noting.numbers:
            with self._lock:
                self._note(space, number, _text_of(value))
        return value

    def number(self, space: str, size: int, *, logged: bool = True) -> int:
        """Return a number of the space, ``0 <= n < size``.

        It differs from every other one that the running test and living fixtures wider than it drew
        in this process, and from those of other processes until the space has been gone through.
        Raises TK411 where all of them are in use.
        """
        with self._lock:
            number = self._number(space, size)
            if logged:
                self._note(space, number, str(number))
        return number

    def release(self, owner: object) -> None:
        """Let the numbers be drawn again that a test or fixture drew: it has ended."""
        with self._lock:
            for space, number in self._held_by.pop(owner, ()):
                self._held[space].pop(number, None)

    def forked(self, lock: AbstractContextManager[object]) -> None:
        """Draw as a process of its own, which has just begun as a copy of another one."""
        self._lock = lock
        self._token = None
        self._blocks.clear()

    def _named(self, prefix: str, length: int | None) -> str:
        with self._lock:
            token, count = self._next()
        return readable(prefix, self._worker, token, count, length=length) or compact(token, count)

    def _next(self) -> tuple[str, int]:
        token = self._current_token()
        while self._noted is not self._running.owner:
            who = self._running.owner
            if self._outside.note_count(self.count + 1, self._running.doing):
                self._noted = who
            else:
                # Else the log would lay what follows at the door of the test before.
                self._token = None
                token = self._current_token()
        self.count += 1
        return token, self.count

    def _current_token(self) -> str:
        if self._token is None or self.count + 1 >= COUNTS:
            self._token, self.count, self._noted = self._outside.new_token(), 0, self
        return self._token

    def _number(self, space: str, size: int) -> int:
        held = self._held.setdefault(space, {})
        if len(held) >= size and sum(number < size for number in held) >= size:
            doing = self._running.doing or "what ran outside of tests"
            raise TestkitError("TK411", space=space, size=size, doing=doing)
        number = self._free(space, size, held)
        owner = self._running.owner
        held[number] = owner
        self._held_by.setdefault(owner, []).append((space, number))
        return number

    def _note(self, space: str, number: int, text: str) -> None:
        self._current_token()  # whose log it is
        self._outside.note_number(space, number, text, self._running.doing)

    def _free(self, space: str, size: int, held: dict[int, object]) -> int:
        if size <= _ONE_BY_ONE:
            return self._outside.advance(space, lambda place: _one(place, size, held))
        block = self._blocks.setdefault((space, size), [])
        while True:
            while block:
                if (number := block.pop()) not in held:
                    return number
            first = self._outside.advance(space, lambda place: _many(place, size))
            block += [number % size for number in range(first + _BLOCK - 1, first - 1, -1)]


class _Noting:
    """The draws of another, whose numbers are to be logged as what is made of them."""

    def __init__(self, draws: Draws) -> None:
        self._draws = draws
        self.text = draws.text
        self.numbers: list[tuple[str, int]] = []

    def number(self, space: str, size: int) -> int:
        found = self._draws.number(space, size, logged=False)
        self.numbers.append((space, found))
        return found


def _text_of(value: Any) -> str:
    value = getattr(value, "value", value)  # of an enum's member
    return str(value.isoformat() if hasattr(value, "isoformat") else value)


def _one(place: int, size: int, held: dict[int, object]) -> tuple[int, int]:
    """Take the first number that is free from ``place`` on, round the space if need be."""
    number = place % size
    while number in held:
        number = (number + 1) % size
    return number, number + 1


def _many(place: int, size: int) -> tuple[int, int]:
    return place % size, (place + _BLOCK) % size
