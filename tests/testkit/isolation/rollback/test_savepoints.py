"""Transactions as savepoints: what is committed is what real transactions would have committed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testkit.isolation.rollback.savepoints import FailedError, Savepoints

Op = Literal["write", "read", "fail", "commit", "rollback"]


@dataclass
class Server:
    """One transaction of a server, as far as savepoints go: keys are written, and undone."""

    savepoints: list[tuple[str, int]] = field(default_factory=list)
    written: list[int] = field(default_factory=list)
    aborted: bool = False

    def send(self, commands: list[str]) -> None:
        for command in commands:
            verb, _, name = command.rpartition(" ")
            if verb == "ROLLBACK TO SAVEPOINT":
                index = self._index(name)
                self.aborted = False
                del self.written[self.savepoints[index][1] :]
                del self.savepoints[index + 1 :]
                continue
            assert not self.aborted, f"{command}: the transaction is aborted"
            if verb == "SAVEPOINT":
                self.savepoints.append((name, len(self.written)))
            else:
                assert verb == "RELEASE SAVEPOINT"
                del self.savepoints[self._index(name) :]

    def write(self, key: int) -> None:
        assert not self.aborted
        self.written.append(key)

    def _index(self, name: str) -> int:
        return max(i for i, (each, _) in enumerate(self.savepoints) if each == name)


@dataclass
class Shared:
    """Connections that share a server's transaction, driven as joined connections drive it."""

    server: Server = field(default_factory=Server)
    savepoints: Savepoints = field(default_factory=Savepoints)

    def do(self, owner: str, op: Op, key: int) -> None:
        aborted = self.server.aborted
        if op in {"commit", "rollback"}:
            end = self.savepoints.commit if op == "commit" else self.savepoints.rollback
            self.server.send(end(owner, aborted=aborted))
            return
        try:
            before = self.savepoints.statement(owner, writes=op != "read", aborted=aborted)
        except FailedError:
            return
        self.server.send(before)
        if self.server.aborted:
            return  # it says so itself
        if op == "write":
            self.server.write(key)
        self.server.aborted |= op == "fail"


@dataclass
class Real:
    """The same with transactions of their own."""

    committed: set[int] = field(default_factory=set)
    open: dict[str, set[int] | None] = field(default_factory=dict)  # None: failed

    def do(self, owner: str, op: Op, key: int) -> None:
        if op in {"commit", "rollback"}:
            written = self.open.pop(owner, None)
            if op == "commit":
                self.committed |= written or set()
            return
        written = self.open.setdefault(owner, set())
        if op == "fail":
            self.open[owner] = None
        elif op == "write" and written is not None:
            written.add(key)


programs = st.lists(
    st.tuples(
        st.sampled_from("ABC"), st.sampled_from(["write", "read", "fail", "commit", "rollback"])
    ),
    max_size=40,
)


@given(programs)
def test_what_is_committed_is_what_real_transactions_commit(
    program: list[tuple[str, Op]],
) -> None:
    shared, real = Shared(), Real()

    for key, (owner, op) in enumerate(program):
        shared.do(owner, op, key)
        real.do(owner, op, key)
    for owner in "ABC":
        shared.do(owner, "rollback", 0)

    if not shared.savepoints.lost:
        assert set(shared.server.written) == real.committed
    else:  # only by what is told
        assert set(shared.server.written) <= real.committed
    assert shared.server.savepoints == []


@given(programs)
def test_one_after_the_other_nothing_is_lost(program: list[tuple[str, Op]]) -> None:
    shared = Shared()
    running: str | None = None

    for key, (owner, op) in enumerate(program):
        if running not in (None, owner):
            continue
        shared.do(owner, op, key)
        running = None if op in {"commit", "rollback"} else owner

    assert shared.savepoints.lost == []


def test_a_reader_that_rolls_back_takes_nothing_along() -> None:
    shared = Shared()

    for key, (owner, op) in enumerate(
        [("A", "read"), ("B", "write"), ("B", "commit"), ("A", "rollback")]
    ):
        shared.do(owner, op, key)  # type: ignore[arg-type]

    assert (shared.server.written, shared.savepoints.lost) == ([1], [])


def test_whose_writes_a_rollback_took_along_is_told() -> None:
    shared = Shared()

    for key, (owner, op) in enumerate(
        [("A", "write"), ("B", "write"), ("B", "commit"), ("A", "rollback")]
    ):
        shared.do(owner, op, key)  # type: ignore[arg-type]

    assert (shared.server.written, shared.savepoints.lost) == ([], [("A", "B")])


def test_a_transaction_that_failed_takes_no_statement_until_it_is_rolled_back() -> None:
    shared = Shared()
    shared.do("A", "fail", 0)
    shared.do("B", "write", 1)

    with pytest.raises(FailedError):
        shared.savepoints.statement("A", writes=False, aborted=False)
    shared.do("A", "rollback", 2)

    assert shared.savepoints.statement("A", writes=False, aborted=False) == ["SAVEPOINT testkit_3"]


def test_an_owner_s_own_savepoint_is_not_released_below_another_s_writes() -> None:
    savepoints = Savepoints()
    savepoints.statement("A", writes=False, aborted=False)
    savepoints.set_savepoint("A", "sa_1")
    assert savepoints.release_savepoint("A", "sa_1")

    savepoints.statement("B", writes=True, aborted=False)

    assert not savepoints.release_savepoint("A", "sa_1")
    assert savepoints.release_savepoint("B", "unknown")


def test_going_back_to_an_own_savepoint_takes_what_lies_above_it() -> None:
    savepoints = Savepoints()
    savepoints.statement("A", writes=True, aborted=False)
    savepoints.set_savepoint("A", "sa_1")
    savepoints.statement("B", writes=True, aborted=False)

    assert savepoints.rollback_to_savepoint("A", "sa_1")

    assert savepoints.lost == [("A", "B")]
    assert savepoints.rollback("A", aborted=False) == [
        "ROLLBACK TO SAVEPOINT testkit_1",
        "RELEASE SAVEPOINT testkit_1",
    ]
