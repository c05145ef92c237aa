"""Transactions as savepoints: what is committed is what real transactions would have committed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testkit.isolation.rollback.savepoints import FailedError, Savepoints

Op = Literal["write", "read", "fail", "commit", "rollback", "savepoint", "release", "back"]
OPS = ["write", "read", "fail", "commit", "rollback", "savepoint", "release", "back"]


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

    def do(self, owner: str, op: Op, label: str, key: int) -> None:
        try:
            if op in {"commit", "rollback"}:
                end = self.savepoints.commit if op == "commit" else self.savepoints.rollback
                self.server.send(end(owner, aborted=self.server.aborted))
            elif op in {"savepoint", "release", "back"}:
                self._nest(owner, op, label)
            else:
                self._say(owner, op, key)
        except FailedError:
            return

    def _nest(self, owner: str, op: Op, label: str) -> None:
        ask = {
            "savepoint": self.savepoints.savepoint,
            "release": self.savepoints.release,
            "back": self.savepoints.rollback_to,
        }[op]
        commands = ask(owner, label, aborted=self.server.aborted)
        if commands is None:
            self._say(owner, "fail", 0)  # the server knows no such savepoint
        else:
            self.server.send(commands)

    def _say(self, owner: str, op: Op, key: int) -> None:
        aborted = self.server.aborted
        self.server.send(self.savepoints.statement(owner, writes=op == "write", aborted=aborted))
        if self.server.aborted:
            return  # it says so itself
        if op == "write":
            self.server.write(key)
        self.server.aborted |= op == "fail"


@dataclass
class Transaction:
    """What a real one has written, savepoint by savepoint."""

    parts: list[tuple[str, list[int]]] = field(default_factory=lambda: [("", [])])
    failed: bool = False

    def find(self, label: str) -> int | None:
        found = [i for i, (name, _) in enumerate(self.parts) if i and name == label]
        return found[-1] if found else None


@dataclass
class Real:
    """The same with transactions of their own."""

    committed: set[int] = field(default_factory=set)
    open: dict[str, Transaction] = field(default_factory=dict)

    def do(self, owner: str, op: Op, label: str, key: int) -> None:
        if op in {"commit", "rollback"}:
            ended = self.open.pop(owner, Transaction())
            if op == "commit" and not ended.failed:
                self.committed |= {key for _, keys in ended.parts for key in keys}
            return
        mine = self.open.setdefault(owner, Transaction())
        found = mine.find(label)
        if op == "back" and found is not None:
            mine.parts[found:], mine.failed = [(label, [])], False
        elif mine.failed:
            return
        elif op == "write":
            mine.parts[-1][1].append(key)
        elif op == "savepoint":
            mine.parts.append((label, []))
        elif op == "release" and found is not None:
            mine.parts[found - 1][1].extend(k for _, keys in mine.parts[found:] for k in keys)
            del mine.parts[found:]
        elif op != "read":
            mine.failed = True


Program = list[tuple[str, Op, str]]
programs = st.lists(
    st.tuples(st.sampled_from("ABC"), st.sampled_from(OPS), st.sampled_from("st")), max_size=40
)


@given(programs)
@settings(max_examples=300)
def test_what_is_committed_is_what_real_transactions_commit(program: Program) -> None:
    shared, real = Shared(), Real()

    for key, (owner, op, label) in enumerate(program):
        shared.do(owner, op, label, key)
        real.do(owner, op, label, key)
    for owner in "ABC":
        shared.do(owner, "rollback", "", 0)

    if not shared.savepoints.lost:
        assert set(shared.server.written) == real.committed
    else:  # only by what is told
        assert set(shared.server.written) <= real.committed
    assert shared.server.savepoints == []


@given(programs)
def test_one_after_the_other_nothing_is_lost(program: Program) -> None:
    shared = Shared()
    running: str | None = None

    for key, (owner, op, label) in enumerate(program):
        if running not in (None, owner):
            continue
        shared.do(owner, op, label, key)
        running = None if op in {"commit", "rollback"} else owner

    assert shared.savepoints.lost == []


def run(*program: tuple[str, Op]) -> Shared:
    shared = Shared()
    for key, (owner, op) in enumerate(program):
        shared.do(owner, op, "s", key)
    return shared


def test_a_reader_that_rolls_back_takes_nothing_along() -> None:
    shared = run(("A", "read"), ("B", "write"), ("B", "commit"), ("A", "rollback"))

    assert (shared.server.written, shared.savepoints.lost) == ([1], [])


def test_a_reader_that_rolls_back_leaves_others_their_savepoints() -> None:
    shared = run(("A", "read"), ("B", "savepoint"), ("A", "rollback"), ("B", "release"))

    assert not shared.server.aborted


def test_whose_writes_a_rollback_took_along_is_told() -> None:
    shared = run(("A", "write"), ("B", "write"), ("B", "commit"), ("A", "rollback"))

    assert (shared.server.written, shared.savepoints.lost) == ([], [("A", "B")])


def test_a_writer_s_rollback_leaves_what_others_only_read() -> None:
    shared = run(
        *(("A", "write"), ("B", "read"), ("B", "savepoint"), ("A", "rollback")),
        *(("B", "write"), ("B", "release"), ("B", "commit")),
    )

    assert (shared.server.written, shared.savepoints.lost) == ([4], [])


def test_what_lies_before_a_savepoint_survives_a_failure_behind_it() -> None:
    shared = run(
        *(("A", "write"), ("A", "savepoint"), ("A", "fail"), ("B", "read")),
        *(("A", "back"), ("A", "commit"), ("B", "commit")),
    )

    assert shared.server.written == [0]


def test_a_transaction_that_failed_takes_no_statement_until_it_is_rolled_back() -> None:
    shared = run(("A", "fail"), ("B", "write"))

    with pytest.raises(FailedError):
        shared.savepoints.statement("A", writes=False, aborted=False)
    shared.do("A", "rollback", "", 2)

    assert shared.savepoints.statement("A", writes=False, aborted=False) == ["SAVEPOINT testkit_3"]


def test_a_reader_beside_many_short_transactions_piles_nothing_up() -> None:
    shared = Shared()
    for key in range(500):
        shared.do("A", "read", "", key)
        shared.do("B", "write", "", key)
        shared.do("B", "commit", "", key)

    assert len(shared.server.savepoints) < 5
    assert len(shared.server.written) == 500
