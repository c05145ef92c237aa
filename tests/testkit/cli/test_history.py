"""``testkit history``, from runs of pytest to pages."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest

from testkit.cli import main
from testkit.record.history.store import runs_of, take, work_at
from tests.support.suites import RecordedSuite

if TYPE_CHECKING:
    from pathlib import Path

Printed = tuple[int, str, str]
NODEID: Final = "t.py::test_[a|b\x1b]"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text("[tool.testkit]\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> Printed:
    before = sys.argv
    sys.argv = ["testkit", "history", *arguments]
    try:
        with pytest.raises(SystemExit) as ended:
            main()
    finally:
        sys.argv = before
    printed = capsys.readouterr()
    return int(ended.value.code or 0), printed.out, printed.err


def runs(project: Path, *outcomes: str) -> None:
    for n, outcome in enumerate(outcomes):
        git = {"commit": "abcdef", "branch": ""}
        lines: list[dict[str, Any]] = [
            {"kind": "run", "id": f"r{n}", "started": f"2026-01-0{n + 1}T00:00:00Z", "git": git},
            {"kind": "test", "nodeid": NODEID, "outcome": outcome, "attempt": 1, "call": 1.0},
            {"kind": "end", "exitstatus": int(outcome == "failed"), "dirty": False},
        ]
        path = project / f"r{n}.jsonl"
        path.write_text("\n".join(map(json.dumps, lines)))
        take(path, project / ".testkit" / "history.sqlite")


def test_flaky_tests_are_findings(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs(project, "passed", "failed", "passed")
    code, out, _ = call(capsys, "flaky")
    told = json.loads(call(capsys, "flaky", "--format", "json")[1])

    assert (code, told["flaky"][0]["failures"]) == (1, 1)
    assert "t.py::test_[a|b\\x1b]  1 of 3  6% to 79%   3     same commit" in out
    assert call(capsys, "flaky", "--format", "markdown")[1].count("\\|b") == 1


def test_without_flaky_tests_nothing_is_found(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs(project, "passed", "passed")

    assert call(capsys, "flaky") == (0, "No flaky test in 2 runs.\n", "")


def test_one_test_is_shown_with_each_result_and_runs_newest_first(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs(project, "passed", "failed")
    code, out, _ = call(capsys, NODEID)
    told = json.loads(call(capsys, NODEID, "--format", "json")[1])
    all_runs = json.loads(call(capsys, "--format", "json")[1])["runs"]

    assert (code, [one["outcome"] for one in told["results"]]) == (0, ["failed", "passed"])
    assert out.startswith("t.py::test_[a|b\\x1b]: 1 failed, 1 passed; the call takes 1.000 s.")
    assert [one["id"] for one in all_runs] == ["r1", "r0"]


def test_the_slowest_are_told_with_what_got_slower(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs(project, *["passed"] * 6)
    told = json.loads(call(capsys, "slowest", "--format", "json")[1])

    assert (told["slowest"][0]["total"], told["slower"]) == (1.0, [])


def test_an_unknown_test_no_history_and_a_damaged_one_have_their_codes(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = call(capsys, "flaky")
    runs(project, "passed")
    unknown = call(capsys, "t.py::test_[a|b]")
    (project / ".testkit" / "history.sqlite").write_bytes(b"x" * 5000)
    damaged = call(capsys, "slowest")

    assert [(code, err[:5]) for code, _, err in (missing, unknown, damaged)] == [
        *((2, "TK733"), (2, "TK734"), (3, "TK731"))
    ]
    assert " Is it t.py::test_[a|b\\x1b]?\n" in unknown[2]


@pytest.mark.slow
def test_recorded_runs_arrive_with_and_without_workers(tmp_path: Path) -> None:
    suite = RecordedSuite(
        tmp_path / "suite",
        test_it="""
            def test_passes():
                pass

            def test_fails():
                assert 1 == 2
        """,
    )
    suite.configure("")
    suite.run().check(code=1, passed=1, failed=1)
    suite.run("-n2").check(code=1, passed=1, failed=1)
    database = suite.folder / ".testkit" / "history.sqlite"
    with work_at(database) as connection:
        found = runs_of(connection, database)

    assert [{r.nodeid.partition("::")[2]: r.outcome for r in run.results} for run in found] == [
        {"test_passes": "passed", "test_fails": "failed"}
    ] * 2
    assert {r.worker[:2] for r in found[1].results} == {"gw"}
    assert all(r.signature for run in found for r in run.results if r.outcome == "failed")


@pytest.mark.slow
def test_a_history_that_cannot_be_used_is_one_line_and_an_empty_name_none(tmp_path: Path) -> None:
    suite = RecordedSuite(tmp_path / "suite", test_it="def test_passes():\n    pass\n")
    suite.configure('history = "h.sqlite"')
    suite.write("h.sqlite", "no database" * 100)
    done = suite.run()
    done.check(passed=1)

    assert done.text.count("testkit: TK731: The history ") == 1
    assert "TK7" not in suite.run("--testkit-history=").text
    assert "testkit: TK730: history names a URL" in suite.run("--testkit-history=pg://a:b@c/d").text
    assert not (suite.folder / ".testkit" / "history.sqlite").exists()
