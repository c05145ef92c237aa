"""The database of the history: what goes in comes out, and nothing that is wrong breaks a run."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from typing import TYPE_CHECKING, Any

import pytest

from testkit.core.messages import TestkitError
from testkit.record.history import store
from testkit.record.history.run import Result, Run
from testkit.record.history.store import database_of, first_seen, runs_of, take, work_at

if TYPE_CHECKING:
    from pathlib import Path

PASSED: dict[str, Any] = {
    "kind": "test",
    "nodeid": "t.py::t",
    "phase": "call",
    "outcome": "passed",
    "worker": "gw0",
    "order": 3,
    "attempt": 1,
    "setup": 0.5,
    "call": 1.5,
    "teardown": 0.25,
}


def record(folder: Path, *lines: dict[str, Any], name: str = "r1", end: bool = True) -> Path:
    git = {"commit": "abc", "branch": "main"}
    begun = {"kind": "run", "version": 1, "id": name, "started": f"2026-{name}", "git": git}
    ended = {"kind": "end", "exitstatus": 1, "dirty": False}
    path = folder / f"{name}.jsonl"
    told = [begun, *lines, *([ended] if end else [])]
    path.write_text("\n".join(map(json.dumps, told)))
    return path


def read(database: Path) -> list[Run]:
    with work_at(database) as connection:
        return runs_of(connection, database)


def test_a_run_comes_out_as_it_went_in(tmp_path: Path) -> None:
    database = tmp_path / "folder" / "h.sqlite"
    assert take(record(tmp_path, PASSED), database)

    assert read(database) == [
        Run(
            *("r1", "2026-r1", "abc", False, 1),
            (Result("t.py::t", 1, "passed", 0.5, 1.5, 0.25, "gw0", 3),),
        )
    ]
    assert database.stat().st_mode & 0o777 == 0o600


def test_a_run_is_taken_once(tmp_path: Path) -> None:
    database = tmp_path / "h.sqlite"
    took = [take(record(tmp_path, PASSED), database) for _ in range(2)]

    assert (took, len(read(database))) == ([True, False], 1)


def test_the_worst_outcome_of_an_attempt_counts_and_attempts_are_apart(tmp_path: Path) -> None:
    failed = PASSED | {"nodeid": "t.py::u", "outcome": "rerun", "signature": "0a"}
    lines = (
        PASSED,
        {"kind": "test", "nodeid": "t.py::t", "phase": "teardown", "outcome": "error"}
        | {"attempt": 1, "teardown": 9.0},
        failed,
        failed | {"attempt": 2, "outcome": "passed", "signature": None},
        PASSED | {"nodeid": "t.py::s", "subtest": "[a]", "outcome": "failed"},
    )
    take(record(tmp_path, *lines), tmp_path / "h.sqlite")
    (run,) = read(tmp_path / "h.sqlite")

    assert {(r.nodeid, r.attempt, r.outcome, r.teardown, r.signature) for r in run.results} == {
        ("t.py::t", 1, "error", 9.0, ""),
        ("t.py::u", 1, "rerun", 0.25, "0a"),
        ("t.py::u", 2, "passed", 0.25, ""),
        ("t.py::s", 1, "failed", None, ""),
    }


def test_a_run_without_end_is_none_and_strange_lines_are_left_out(tmp_path: Path) -> None:
    database = tmp_path / "h.sqlite"
    assert not take(record(tmp_path, PASSED, end=False), database)

    odd = [{"kind": "test"}, PASSED | {"nodeid": ["a"]}, PASSED | {"outcome": []}, {"kind": 1}]
    path = record(tmp_path, *odd, PASSED | {"nodeid": "\ud800", "order": True, "call": "x"})
    path.write_text(path.read_text() + "\n[1]\n{cut")
    take(path, database)

    assert [r.nodeid for r in read(database)[0].results] == ["\\ud800"]


def test_the_oldest_runs_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST_RUNS", 3)
    for n in range(5):
        only = PASSED | {"nodeid": f"t.py::t{n}"}
        take(record(tmp_path, only, name=f"r{n}"), tmp_path / "h.sqlite")
    with work_at(tmp_path / "h.sqlite") as connection:
        tests = connection.execute("SELECT count(*) FROM test").fetchone()

    assert ([run.id for run in read(tmp_path / "h.sqlite")], tests) == (["r2", "r3", "r4"], (3,))


def test_runs_that_end_at_once_all_arrive(tmp_path: Path) -> None:
    paths = [record(tmp_path, PASSED, name=f"r{n}") for n in range(8)]
    threads = [threading.Thread(target=take, args=(p, tmp_path / "h.sqlite")) for p in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(read(tmp_path / "h.sqlite")) == 8


def damaged(path: Path) -> None:
    path.write_bytes(b"no database at all" * 100)


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE mine (a)")
    connection.close()


def newer(path: Path) -> None:
    take(record(path.parent, PASSED, name="r0"), path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 2")
    connection.close()


def folder(path: Path) -> None:
    path.mkdir()


def cut(path: Path) -> None:
    take(record(path.parent, PASSED, name="r0"), path)
    os.truncate(path, 5000)


@pytest.mark.parametrize(
    ("break_it", "code"),
    [
        *((damaged, "TK731"), (foreign, "TK731"), (newer, "TK732")),
        *((folder, "TK731"), (cut, "TK731")),
    ],
)
def test_a_history_that_cannot_be_used_is_one_message(
    tmp_path: Path, break_it: Any, code: str
) -> None:
    break_it(tmp_path / "h.sqlite")
    with pytest.raises(TestkitError) as raised:
        take(record(tmp_path, PASSED), tmp_path / "h.sqlite")

    assert raised.value.code == code


def test_a_history_that_another_process_holds_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_PATIENCE", 0.01)
    take(record(tmp_path, PASSED), tmp_path / "h.sqlite")
    holder = sqlite3.connect(tmp_path / "h.sqlite", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(TestkitError, match=r"TK731: .* database is locked\."):
        take(record(tmp_path, PASSED, name="r2"), tmp_path / "h.sqlite")
    holder.close()

    assert [run.id for run in read(tmp_path / "h.sqlite")] == ["r1"]


def test_an_empty_file_is_filled_and_has_no_history(tmp_path: Path) -> None:
    database = tmp_path / "h.sqlite"
    database.touch()
    with pytest.raises(TestkitError, match="TK733"):
        read(database)

    assert take(record(tmp_path, PASSED), database)


def test_the_first_run_of_each_signature_is_known(tmp_path: Path) -> None:
    database = tmp_path / "h.sqlite"
    for day, signatures in ((3, ("aaaa", "bbbb")), (1, ("aaaa",)), (2, ("",))):
        told = [
            {
                "kind": "test",
                "nodeid": f"t.py::t{number}",
                "phase": "call",
                "outcome": "failed" if name else "passed",
                "signature": name,
            }
            for number, name in enumerate(signatures)
        ]
        take(record(tmp_path, *told, name=f"r{day}"), database)

    assert first_seen(database) == {"aaaa": "2026-r1", "bbbb": "2026-r3"}


def test_without_a_history_that_can_be_used_nothing_was_seen(tmp_path: Path) -> None:
    assert first_seen(tmp_path / "none.sqlite") == {}
    (tmp_path / "h.sqlite").write_text("no database" * 100)
    assert first_seen(tmp_path / "h.sqlite") == {}


def test_a_url_is_refused_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(TestkitError, match="TK730") as raised:
        database_of("postgresql://me:hunter2@host/db", tmp_path)

    assert "hunter2" not in str(raised.value)
    assert database_of("", tmp_path) is None
    assert database_of("a/b", tmp_path) == tmp_path / "a" / "b"
