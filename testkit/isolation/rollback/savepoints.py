"""The transactions of many connections as savepoints within one.

Pure: every method answers the commands to send, in order, and counts them as sent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = ["FailedError", "Savepoints"]


class FailedError(Exception):
    """A statement of this transaction failed before: it takes none until it is rolled back."""


@dataclass(slots=True, eq=False)
class _Transaction:
    owner: Hashable
    number: int
    failed: bool = False


@dataclass(slots=True, eq=False)
class _Piece:
    """What a transaction did until another one did something: from one savepoint to the next."""

    transaction: _Transaction
    name: str
    wrote: bool = False
    committed: bool = False
    names: list[str] = field(default_factory=list)  # of savepoints of its own


@dataclass(slots=True)
class Savepoints:
    """Who of the connections that share a session is in a transaction, and how it ends.

    Savepoints lie on each other, so the pieces of transactions that overlap in time do, too. Exact
    is what ends while no other's writes lie above it, or wrote nothing itself; ``lost`` gathers, as
    pairs, whose rollback took whose writes along.
    ``aborted`` says in each call whether the server waits for a rollback.
    """

    lost: list[tuple[Hashable, Hashable]] = field(default_factory=list)
    _stack: list[_Piece] = field(default_factory=list)
    _open: dict[Hashable, _Transaction] = field(default_factory=dict)
    _count: int = 0
    _transactions: int = 0

    def owners(self) -> list[Hashable]:
        """Return who is in a transaction, the last to begin first."""
        return list(reversed(self._open))

    def number(self, owner: Hashable) -> int:
        """Return which transaction that owner is in. Raises KeyError where it is in none."""
        return self._open[owner].number

    def statement(self, owner: Hashable, *, writes: bool, aborted: bool) -> list[str]:
        """Return what comes before a statement of that owner. Raises FailedError."""
        mine = self._open.get(owner)
        if mine is not None and mine.failed:
            raise FailedError
        if aborted and self._stack and self._stack[-1].transaction is mine:
            return []  # the server tells by itself, and knows the owner's own savepoints
        commands = self._free(aborted=aborted)
        if mine is None:
            self._transactions += 1
            mine = self._open[owner] = _Transaction(owner, self._transactions)
        if not self._stack or self._stack[-1].transaction is not mine:
            self._count += 1
            self._stack.append(_Piece(mine, f"testkit_{self._count}"))
            commands.append(f"SAVEPOINT {self._stack[-1].name}")
        self._stack[-1].wrote |= writes
        return commands

    def set_savepoint(self, owner: Hashable, name: str) -> None:
        """Note a savepoint of the owner's own, which ``statement`` let through."""
        if self._stack and self._stack[-1].transaction is self._open.get(owner):
            self._stack[-1].names.append(name)

    def release_savepoint(self, owner: Hashable, name: str) -> bool:
        """Return whether the owner's own savepoint can be released by the server.

        Not where others' lie above it: the server would release them as well.
        """
        index = self._holding(owner, name)
        return index is None or index == len(self._stack) - 1

    def rollback_to_savepoint(self, owner: Hashable, name: str) -> bool:
        """Return whether the server is to go back there before anything else is sent.

        What lies above it goes.
        """
        index = self._holding(owner, name)
        if index is None or index == len(self._stack) - 1:
            return False
        mine = self._open[owner]
        self._note_lost(self._stack[index + 1 :], mine)
        del self._stack[index + 1 :]
        mine.failed = False
        return True

    def can_commit(self, owner: Hashable, *, aborted: bool) -> bool:
        """Return whether there is a transaction of that owner, and nothing in it has failed."""
        mine = self._open.get(owner)
        if mine is None or mine.failed:
            return False
        return not (aborted and self._stack and self._stack[-1].transaction is mine)

    def is_alone(self, owner: Hashable) -> bool:
        """Return whether no other transaction that is open has written."""
        return not any(
            piece.wrote and not piece.committed and piece.transaction.owner != owner
            for piece in self._stack
        )

    def commit(self, owner: Hashable, *, aborted: bool) -> list[str]:
        """Return what ends the transaction of that owner; one that failed is rolled back."""
        if not self.can_commit(owner, aborted=aborted):
            return self.rollback(owner, aborted=aborted)
        commands = self._free(aborted=aborted)
        mine = self._open.pop(owner)
        for piece in self._stack:
            piece.committed |= piece.transaction is mine
        return commands + self._merge()

    def rollback(self, owner: Hashable, *, aborted: bool) -> list[str]:
        """Return what undoes the transaction of that owner."""
        mine = self._open.pop(owner, None)
        if mine is None:
            return []
        top = bool(self._stack) and self._stack[-1].transaction is mine
        commands = [] if top else self._free(aborted=aborted)
        lowest: int | None = None
        above: list[_Piece] = []  # others' writes
        for index in reversed(range(len(self._stack))):
            piece = self._stack[index]
            if piece.transaction is not mine:
                if piece.wrote:
                    above.append(piece)
            elif piece.wrote or not above:
                lowest = index
            else:
                piece.committed = True  # it has nothing to undo
        if lowest is not None:
            commands += self._back_to(lowest, mine)
        return commands + self._merge()

    def _free(self, *, aborted: bool) -> list[str]:
        """Undo, for another one to go on, the piece in which a statement has failed."""
        if not aborted or not self._stack:
            return []
        top = self._stack[-1]
        top.wrote, top.transaction.failed = False, True
        return [f"ROLLBACK TO SAVEPOINT {top.name}"]

    def _back_to(self, index: int, mine: _Transaction) -> list[str]:
        gone, self._stack = self._stack[index:], self._stack[:index]
        self._note_lost(gone, mine)
        name = gone[0].name
        return [f"ROLLBACK TO SAVEPOINT {name}", f"RELEASE SAVEPOINT {name}"]

    def _note_lost(self, gone: list[_Piece], mine: _Transaction) -> None:
        for piece in gone:
            if piece.transaction is not mine and piece.wrote:
                self.lost.append((mine.owner, piece.transaction.owner))
                piece.transaction.failed = True

    def _holding(self, owner: Hashable, name: str) -> int | None:
        mine = self._open.get(owner)
        for index in reversed(range(len(self._stack))):
            if self._stack[index].transaction is mine and name in self._stack[index].names:
                return index
        return None

    def _merge(self) -> list[str]:
        """Release what is committed, as far as nothing open lies directly below."""
        released = []
        while self._stack and self._stack[-1].committed:
            if len(self._stack) > 1 and not self._stack[-2].committed:
                break
            released.append(self._stack.pop())
        if not released:
            return []
        if self._stack:  # into a committed piece
            self._stack[-1].wrote |= any(piece.wrote for piece in released)
        return [f"RELEASE SAVEPOINT {released[-1].name}"]
