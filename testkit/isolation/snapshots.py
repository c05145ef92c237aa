"""Snapshots in the middle of a test: what was committed before one stays when it is restored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testkit.core.messages import TestkitError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from testkit.isolation.reset import DatabaseReset

__all__ = ["Snapshot", "Snapshots"]

# Seconds that a transaction of the test gets to end by itself: the test waits for it as well.
_PATIENCE = 0.2


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One state of this test's database; it ends with the test."""

    number: int


class Snapshots:
    """The snapshots of the running test, the oldest first.

    To the reset each is an owner, like a wider-scoped fixture that ends with the test: it holds
    what was committed before. ``number`` answers one that is greater than those of all owners.
    """

    def __init__(self, reset: DatabaseReset, number: Callable[[], int]) -> None:
        self._reset, self._number = reset, number
        self._taken: list[Snapshot] = []
        self._began: datetime | None = None

    def take(self) -> Snapshot:
        """Keep what is committed now."""
        if not self._taken:
            self._began = self._reset.began
        taken = Snapshot(self._number())
        who = f"what came before snapshot {len(self._taken) + 1} of this test"
        self._reset.claim(taken.number, since=None, who=who)
        self._taken.append(taken)
        return taken

    def restore(self, snapshot: Snapshot | None) -> None:
        """Undo what was committed after a snapshot; later ones are gone. None: the last one.

        It may be restored again. Raises TK305 where it is none of this test's, and as
        ``DatabaseReset.finish``.
        """
        if not self._taken or snapshot not in (None, *self._taken):
            raise TestkitError("TK305")
        while snapshot is not None and self._taken[-1] != snapshot:
            self._reset.end(self._taken.pop().number)
        self._reset.finish("this test", patience=_PATIENCE)

    def give_up(self) -> list[int]:
        """Forget all snapshots of the test without undoing anything; answer their numbers."""
        numbers = [taken.number for taken in self._taken]
        self._taken.clear()
        return numbers

    def end(self) -> None:
        """Undo what the snapshots of the test hold, all of them, whatever one raises.

        A transaction that began before the first one is the test's again, for ``finish`` to see.
        """
        if not self._taken:
            return
        try:
            self._reset.end(self._taken.pop().number)
        finally:
            self._reset.began = self._began
            self.end()
