"""``database.queries``: blocks in which statements are counted and recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from testkit.core.messages import TestkitError
from testkit.isolation.queries.facts import Recording
from testkit.isolation.queries.report import groups_of, listed, repeated
from testkit.isolation.queries.watch import StatementWatch
from testkit.system.calling_site import calling_site

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from testkit.core.addresses import Address
    from testkit.isolation.queries.facts import Statement
    from testkit.system.calling_site import CallingSite

__all__ = ["Block", "Queries", "UnexpectedQueriesError"]

# From how many on a list says N+1 where no number was given: two may be chance.
_FEW: Final = 2


class UnexpectedQueriesError(TestkitError, AssertionError):
    """A block sent more, fewer or other statements than it was to."""


@dataclass(frozen=True, slots=True)
class _Limits:
    exactly: int | None = None
    at_most: int | None = None
    at_least: int | None = None
    each_at_most: int | None = None

    def problem(self) -> str | None:
        """Return what is wrong with them, None if nothing is."""
        given = {name: getattr(self, name) for name in self.__slots__}
        given = {name: value for name, value in given.items() if value is not None}
        if not given:
            return "it was called without a number"
        for name, value in given.items():
            least = 1 if name == "each_at_most" else 0
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                return f"{name} = {value!r} is no whole number from {least} on"
        if self.exactly is not None and (self.at_most, self.at_least) != (None, None):
            return "exactly stands alone: it is both a least and a most"
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            return f"at_least = {self.at_least} is more than at_most = {self.at_most}"
        return None

    def holds(self, count: int) -> bool:
        """Return whether so many statements are as expected."""
        least = self.at_least if self.exactly is None else self.exactly
        most = self.at_most if self.exactly is None else self.exactly
        return (least is None or least <= count) and (most is None or count <= most)

    def __str__(self) -> str:
        named = {"exactly": self.exactly, "at least": self.at_least, "at most": self.at_most}
        given = {word: number for word, number in named.items() if number is not None}
        noun = "statement" if [*given.values()][-1:] == [1] else "statements"
        return f"{' and '.join(f'{word} {number}' for word, number in given.items())} {noun}"


class Block:
    """A ``with`` block whose statements are recorded; at its end the limits are held against them.

    ``with`` gives the ``Recording``. Blocks may be nested; a statement counts in each of them.
    Where the block raises, that exception goes on and nothing is counted.
    """

    def __init__(
        self, watch: StatementWatch, root: str, *, limits: _Limits | None, detailed: bool = True
    ) -> None:
        self._watch, self._root = watch, root
        self._limits = limits
        self._detailed = detailed
        # One object may be entered again, also within itself.
        self._open: list[tuple[Recording, CallingSite | None]] = []

    def __enter__(self) -> Recording:
        recording = Recording(detailed=self._detailed)
        self._open.append((recording, calling_site(self._root)))
        self._watch.open(recording)
        return recording

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        __tracebackhide__ = True
        recording, where = self._open.pop()
        self._watch.close(recording)
        if kind is None and self._limits is not None:
            _hold(self._limits, list(recording), where)


class Queries:
    """Counts and records what SQLAlchemy sends to one database, by any engine of this process.

    A statement is one call of a cursor's ``execute`` or ``executemany``, in any thread or task.
    BEGIN, COMMIT, ROLLBACK, savepoints, what a dialect asks on its first connection, and a pool's
    ping are none; nor is what goes to a driver without SQLAlchemy. Places in code are told
    relative to ``root``.
    """

    def __init__(self, address: Address, root: Path) -> None:
        self._root = f"{root}/"
        self._watch = StatementWatch(address.port, address.name, root=self._root)

    def expect(
        self,
        *,
        exactly: int | None = None,
        at_most: int | None = None,
        at_least: int | None = None,
        each_at_most: int | None = None,
    ) -> Block:
        """Return a block that fails with TK321 where another number of statements was sent.

        ``each_at_most=2`` fails with TK322 where one statement was sent from one place more than
        twice with different parameters (N+1). Raises TK323 where the numbers make no sense.
        """
        __tracebackhide__ = True
        limits = _Limits(exactly, at_most, at_least, each_at_most)
        problem = limits.problem()
        if problem is not None:
            where = calling_site(self._root) or "a block"
            raise TestkitError("TK323", problem=problem, where=where)
        return Block(self._watch, self._root, limits=limits)

    def record(self) -> Block:
        """Return a block that gives its statements as facts and expects nothing."""
        return Block(self._watch, self._root, limits=None)

    def times(self) -> Block:
        """Return a block like ``record``'s of which only texts and times are known, for less."""
        return Block(self._watch, self._root, limits=None, detailed=False)

    def follow(self, recording: Recording) -> None:
        """Add to this recording what is sent from now on, until the test has ended."""
        self._watch.open(recording)

    def finish_test(self) -> None:
        """Close what is still open; after this SQLAlchemy calls no block of ours."""
        self._watch.stop()


def _hold(limits: _Limits, statements: Sequence[Statement], where: CallingSite | None) -> None:
    __tracebackhide__ = True
    groups = groups_of(statements)
    most = limits.each_at_most or _FEW
    if not limits.holds(len(statements)):
        raise UnexpectedQueriesError(
            "TK321",
            expected=str(limits),
            sent=len(statements),
            where=where or "a block",
            statements=listed(groups, most=most),
        )
    if limits.each_at_most is not None and (loops := repeated(groups, most=most)):
        raise UnexpectedQueriesError(
            "TK322",
            most=most,
            sent=max(group.variants for group in loops),
            where=where or "a block",
            statements=listed(loops, most=most),
        )
