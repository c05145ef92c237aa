"""The transactions of many connections as savepoints within one.

Pure: every method answers the commands to send, in order, and counts them as sent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

__all__ = ["FailedError", "Savepoints"]


class FailedError(Exception):
    """A statement of this transaction failed before: it takes none until that is rolled back."""


@dataclass(slots=True, eq=False)
class _Transaction:
    owner: Hashable
    number: int
    failed: bool = False


@dataclass(slots=True, eq=False)
class _Piece:
    """A part of a transaction: from a savepoint of its own, or from where another went on before.

    ``label`` is the owner's name for the savepoint at which the piece begins, if there is one.
    """

    transaction: _Transaction
    name: str
    label: str | None = None
    wrote: bool = False
    holds: bool = False  # a cursor on the server
    committed: bool = False


@dataclass(slots=True)
class Savepoints:
    """Who of the connections that share a session is in a transaction, and how it ends.

    Savepoints lie on each other, so the pieces of transactions that overlap in time do, too. What
    is rolled back while no other's writes lie above it, or wrote nothing itself, is exact;
    ``lost`` gathers, as pairs, whose rollback took whose writes along.
    ``aborted`` says in each call whether the server waits for a rollback.
    """

    lost: list[tuple[Hashable, Hashable]] = field(default_factory=list)
    _stack: list[_Piece] = field(default_factory=list)
    _open: dict[Hashable, _Transaction] = field(default_factory=dict)
    _names: int = 0
    _transactions: int = 0

    def owners(self) -> list[Hashable]:
        """Return who is in a transaction, the last to begin first."""
        return list(reversed(self._open))

    def number(self, owner: Hashable) -> int:
        """Return which transaction that owner is in. Raises KeyError where it is in none."""
        return self._open[owner].number

    def is_alone(self, owner: Hashable) -> bool:
        """Return whether no other transaction that is open has written."""
        return not any(
            piece.wrote and not piece.committed and piece.transaction.owner != owner
            for piece in self._stack
        )

    # --- within a transaction

    def statement(
        self, owner: Hashable, *, writes: bool, aborted: bool, holds: bool = False
    ) -> list[str]:
        """Return what comes before a statement of that owner. Raises FailedError.

        ``holds`` where it opens a cursor, which is lost with what another one rolls back below it.
        """
        mine = self._open.get(owner)
        if mine is not None and mine.failed:
            raise FailedError
        if aborted and self._is_on_top(mine):
            return []  # the server says so by itself
        commands = self._free(aborted=aborted)
        if not self._is_on_top(mine):
            commands += self._tidy()
        mine = self._begun(owner)
        if not self._is_on_top(mine):
            commands += self._push(mine)
        self._stack[-1].wrote |= writes
        self._stack[-1].holds |= holds
        return commands

    def savepoint(self, owner: Hashable, label: str, *, aborted: bool) -> list[str]:
        """Return what sets a savepoint of the owner's own. Raises FailedError."""
        mine = self._open.get(owner)
        if mine is not None and (mine.failed or (aborted and self._is_on_top(mine))):
            raise FailedError
        return self._free(aborted=aborted) + self._push(self._begun(owner), label)

    def release(self, owner: Hashable, label: str, *, aborted: bool) -> list[str] | None:
        """Return what releases a savepoint of the owner's own; None where it has no such.

        Raises FailedError.
        """
        mine = self._open.get(owner)
        if mine is not None and (mine.failed or (aborted and self._is_on_top(mine))):
            raise FailedError
        index = self._labelled(mine, label)
        if index is None:
            return None
        commands = self._free(aborted=aborted)
        for piece in self._of(mine, index):
            piece.label = None
        # Others may lie above it: then it stays, as a piece without a name.
        if index and all(p.transaction is mine for p in self._stack[index - 1 :]):
            wrote = any(piece.wrote for piece in self._stack[index:])
            commands.append(f"RELEASE SAVEPOINT {self._stack[index].name}")
            del self._stack[index:]
            self._stack[-1].wrote |= wrote
        return commands

    def rollback_to(self, owner: Hashable, label: str, *, aborted: bool) -> list[str] | None:
        """Return what goes back to a savepoint of the owner's own; None where it has no such."""
        mine = self._open.get(owner)
        index = self._labelled(mine, label)
        if mine is None or index is None:
            return None
        commands = self._undo(mine, index, aborted=aborted, keep=True)
        for piece in self._of(mine, index):
            if piece.label is not None and piece is not self._stack[index]:
                piece.label = None
        mine.failed = False
        return commands

    # --- its end

    def can_commit(self, owner: Hashable, *, aborted: bool) -> bool:
        """Return whether there is a transaction of that owner, and nothing in it has failed."""
        mine = self._open.get(owner)
        return mine is not None and not mine.failed and not (aborted and self._is_on_top(mine))

    def commit(self, owner: Hashable, *, aborted: bool) -> list[str]:
        """Return what ends the transaction of that owner; one that failed is rolled back."""
        if not self.can_commit(owner, aborted=aborted):
            return self.rollback(owner, aborted=aborted)
        commands = self._free(aborted=aborted)
        self._close(self._open.pop(owner))
        return commands + self._merge()

    def rollback(self, owner: Hashable, *, aborted: bool) -> list[str]:
        """Return what undoes the transaction of that owner."""
        mine = self._open.pop(owner, None)
        if mine is None:
            return []
        commands = self._undo(mine, 0, aborted=aborted, keep=False)
        self._close(mine)
        return commands + self._merge()

    # --- pieces

    def _is_on_top(self, mine: _Transaction | None) -> bool:
        return mine is not None and bool(self._stack) and self._stack[-1].transaction is mine

    def _begun(self, owner: Hashable) -> _Transaction:
        if owner not in self._open:
            self._transactions += 1
            self._open[owner] = _Transaction(owner, self._transactions)
        return self._open[owner]

    def _push(self, mine: _Transaction, label: str | None = None) -> list[str]:
        self._names += 1
        self._stack.append(_Piece(mine, f"testkit_{self._names}", label))
        return [f"SAVEPOINT {self._stack[-1].name}"]

    def _of(self, mine: _Transaction | None, lowest: int) -> list[_Piece]:
        return [piece for piece in self._stack[lowest:] if piece.transaction is mine]

    def _labelled(self, mine: _Transaction | None, label: str) -> int | None:
        for index in reversed(range(len(self._stack))):
            if self._stack[index].transaction is mine and self._stack[index].label == label:
                return index
        return None

    def _close(self, mine: _Transaction) -> None:
        """Let what is left of a transaction that has ended be a part of what is committed."""
        for piece in self._of(mine, 0):
            piece.committed, piece.label = True, None

    def _free(self, *, aborted: bool) -> list[str]:
        """Undo, for another one to go on, the piece in which a statement has failed."""
        if not aborted or not self._stack:
            return []
        top = self._stack[-1]
        top.wrote, top.transaction.failed = False, True
        return [f"ROLLBACK TO SAVEPOINT {top.name}"]

    def _tidy(self) -> list[str]:
        """Release a reader's piece on top that nobody goes back to, lest they pile up."""
        if len(self._stack) < 2 or self._stack[-1].wrote or self._stack[-1].label is not None:  # noqa: PLR2004 - it and one below
            return []
        top = self._stack[-1]
        if top.committed or not any(p.transaction is top.transaction for p in self._stack[:-1]):
            return []
        return [f"RELEASE SAVEPOINT {self._stack.pop().name}"]

    def _undo(self, mine: _Transaction, since: int, *, aborted: bool, keep: bool) -> list[str]:
        """Go back so far that nothing of the transaction is left from that piece on.

        With ``keep`` the piece itself stays, empty. What others wrote above it is lost; what they
        only read is as it was.
        """
        commands = []
        if aborted and not self._is_on_top(mine):
            commands = self._free(aborted=True)
            aborted = False
        lowest: int | None = len(self._stack) - 1 if aborted else None
        for index in reversed(range(since, len(self._stack))):
            if self._stack[index].transaction is mine and self._stack[index].wrote:
                lowest = index
        if lowest is None:
            if not self._is_on_top(mine):
                return commands
            lowest = self._first_on_top(mine, since)  # what it SET goes, and takes nobody along
        return commands + self._back_to(lowest, mine, keep=keep and lowest == since)

    def _first_on_top(self, mine: _Transaction, since: int) -> int:
        index = len(self._stack) - 1
        while index > since and self._stack[index - 1].transaction is mine:
            index -= 1
        return index

    def _back_to(self, index: int, mine: _Transaction, *, keep: bool) -> list[str]:
        gone, self._stack = self._stack[index:], self._stack[:index]
        commands = [f"ROLLBACK TO SAVEPOINT {gone[0].name}"]
        if keep:
            gone[0].wrote = False
            self._stack.append(gone[0])
        else:
            commands.append(f"RELEASE SAVEPOINT {gone[0].name}")
        return commands + self._again(gone[1:], mine)

    def _again(self, gone: Sequence[_Piece], mine: _Transaction) -> list[str]:
        """Set anew what others had not written in; what they had is lost."""
        commands = []
        for piece in gone:
            if piece.transaction is mine:
                continue
            if piece.wrote or piece.holds:
                self.lost.append((mine.owner, piece.transaction.owner))
                piece.transaction.failed |= piece.wrote and not piece.committed
                piece.wrote = piece.holds = False
            if not piece.committed:
                self._stack.append(piece)
                commands.append(f"SAVEPOINT {piece.name}")
        return commands

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
