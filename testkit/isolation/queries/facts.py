"""One statement that was sent, as a fact, and the statements of a block in their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from testkit.system.calling_site import CallingSite

__all__ = ["LazyLoad", "Recording", "Sent", "Statement"]


@dataclass(frozen=True, slots=True)
class LazyLoad:
    """What the ORM loaded because an attribute was read: ``attribute`` is None for columns."""

    owner: str
    attribute: str | None


@dataclass(frozen=True, slots=True)
class Statement:
    """One call of a cursor's ``execute`` or ``executemany``.

    ``parameters`` is a short text: long values are cut, what looks like a secret is ``***``.
    ``seconds`` is None where the statement failed, or has not ended yet. ``rowcount`` is what the
    driver said, -1 where it said nothing. ``origin`` is the project's own code that caused the
    statement; where none did in this thread, the library that is nearest to it. ``autocommit``:
    it was in no transaction. ``executemany``: it was sent with a list of parameters.
    """

    statement: str
    parameters: str
    seconds: float | None
    rowcount: int
    origin: CallingSite | None
    autocommit: bool
    executemany: bool
    lazy_load: LazyLoad | None = None
    # Equal for the same text with the same parameters, also where these are not shown.
    variant: int = field(default=0, repr=False, compare=False)


@dataclass(slots=True)
class Sent:
    """A statement on its way: ``ended`` and ``rowcount`` come when it is through."""

    statement: str
    started: float = 0.0
    ended: float | None = None
    rowcount: int = -1
    parameters: str = ""
    origin: CallingSite | None = None
    autocommit: bool = False
    executemany: bool = False
    lazy_load: LazyLoad | None = None
    variant: int = 0

    def fact(self) -> Statement:
        """Return what is known of it now."""
        return Statement(
            statement=self.statement,
            parameters=self.parameters,
            seconds=None if self.ended is None else self.ended - self.started,
            rowcount=self.rowcount,
            origin=self.origin,
            autocommit=self.autocommit,
            executemany=self.executemany,
            lazy_load=self.lazy_load,
            variant=self.variant,
        )


class Recording(Sequence[Statement]):
    """The statements of a block, in the order in which they were sent.

    It may be read inside the block as well, and holds what was sent so far. Where it is not
    ``detailed``, only text and times are known.
    """

    def __init__(self, *, detailed: bool = True) -> None:
        self.detailed = detailed
        self._sent: list[Sent] = []

    def add(self, sent: Sent) -> None:
        """Note a statement that is about to be sent. Safe from any thread."""
        self._sent.append(sent)

    def busy_seconds(self) -> float:
        """Return for how long at least one of the statements was on its way."""
        total, until = 0.0, float("-inf")
        through = [(sent.started, sent.ended) for sent in self._sent if sent.ended is not None]
        for started, ended in sorted(through):
            total += max(0.0, ended - max(started, until))
            until = max(until, ended)
        return total

    @overload
    def __getitem__(self, index: int) -> Statement: ...

    @overload
    def __getitem__(self, index: slice) -> list[Statement]: ...

    def __getitem__(self, index: int | slice) -> Statement | list[Statement]:
        if isinstance(index, slice):
            return [sent.fact() for sent in self._sent[index]]
        return self._sent[index].fact()

    def __len__(self) -> int:
        return len(self._sent)

    def __repr__(self) -> str:
        return f"<{len(self)} statements: {[sent.statement for sent in self._sent]}>"
