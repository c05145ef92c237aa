"""``testkit triage`` and ``testkit diff``: exit codes, defaults, files, whole runs of pytest."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest

from testkit.cli import main
from tests.support.red_suites.broken_inputs import BUILDERS, record_lines

if TYPE_CHECKING:
    from pathlib import Path

Printed = tuple[int, str, str]
RED: Final = "tests/test_a.py::test_red"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text("[tool.testkit]\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> Printed:
    before = sys.argv
    sys.argv = ["testkit", *arguments]
    try:
        with pytest.raises(SystemExit) as ended:
            main()
    finally:
        sys.argv = before
    printed = capsys.readouterr()
    return int(ended.value.code or 0), printed.out, printed.err


def record(folder: Path, name: str, *outcomes: str, end: bool = True) -> Path:
    """Write a record of tests ``t0``, ``t1``… with these outcomes."""
    lines: list[dict[str, Any]] = [{"kind": "run", "version": 1, "started": "2026-01-02T00:00:00Z"}]
    for n, outcome in enumerate(outcomes):
        failed = {"message": "no", "chain": [{"type": "ValueError", "message": "no"}]}
        test = {"kind": "test", "nodeid": f"t.py::t{n}", "phase": "call", "outcome": outcome}
        lines.append(test | (failed if outcome == "failed" else {}))
    lines += [{"kind": "end", "exitstatus": 1, "cut": ""}] if end else []
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join(map(json.dumps, lines)))
    return folder / name


def test_the_last_record_is_read_by_default(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(project / ".testkit" / "runs", "1-a.jsonl", "passed", "passed")
    record(project / ".testkit" / "runs", "2-b.jsonl", "passed", "failed")
    code, out, _ = call(capsys, "triage", "--format", "json")
    told = json.loads(out)

    assert (code, told["version"], told["title"]) == (1, 1, "2-b.jsonl")
    assert [cause["tests"] for cause in told["causes"]] == [["t.py::t1"]]
    assert told["totals"]["tests"] == {"passed": 1, "failed": 1}
    assert told["causes"][0]["first_seen"] == "2026-01-02T00:00:00Z"


def test_a_green_run_exits_with_0(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = record(project, "a.jsonl", "passed")

    assert call(capsys, "triage", str(file))[0] == 0


def test_a_run_that_is_not_known_to_be_green_exits_with_1(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = record(project, "a.jsonl", "passed", end=False)
    code, out, _ = call(capsys, "triage", str(file))

    assert code == 1
    assert "has no end" in out


@pytest.mark.parametrize(
    "name", ["empty", "random bytes", "entity expansion", "missing", "directory"]
)
def test_what_is_no_run_is_wrong_use(
    name: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capsys, "triage", str(BUILDERS[name](project)))

    assert (code, out, err[:4]) == (2, "", "TK70")


def test_a_name_that_no_file_can_have_is_wrong_use(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = call(capsys, "triage", "x" * 5_000)

    assert (code, err[:5]) == (2, "TK700")


def test_without_a_record_the_command_says_how_to_get_one(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = call(capsys, "triage")

    assert code == 2
    assert err.startswith(f'TK704: No record is "last" in {project}')


def test_a_cause_of_the_last_run_is_explained_by_its_id(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(project / ".testkit" / "runs", "1-a.jsonl", "failed")
    _, told, _ = call(capsys, "triage", "--format", "json")
    ident = json.loads(told)["causes"][0]["id"]
    found = call(capsys, "explain", ident)
    unknown = call(capsys, "explain", "C-nosuchid")

    assert found[0] == 0
    assert ident in found[1]
    assert "1 failure, 1" in found[1]
    assert (unknown[0], unknown[2].splitlines()[0]) == (
        2,
        f"TK706: No cause of the last run is C-nosuchid; it has {ident}.",
    )


def test_a_named_cause_is_explained(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "explain", "missing-table")

    assert code == 0
    assert out.startswith("missing-table: The table {")
    assert "\nTo do: " in out
    assert project.exists()


def test_a_report_goes_to_a_file(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = record(project, "a.jsonl", "failed")
    code, out, _ = call(capsys, "triage", str(file), "--format", "json", "--output", "t.json")

    assert (code, out) == (1, "")
    assert json.loads((project / "t.json").read_text())["totals"]["failures"] == 1


def test_on_github_the_summary_goes_to_its_file_and_the_log_has_the_annotations(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = record(project, "a.jsonl", "failed")
    (project / "summary.md").write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project / "summary.md"))
    code, out, _ = call(capsys, "triage", str(file), "--format", "github")
    summary = (project / "summary.md").read_text()

    assert code == 1
    assert [line.partition(" ")[0] for line in out.splitlines()] == ["::error"]
    assert summary.startswith("before\n## 1 failure, 1")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project / "none" / "summary.md"))
    code, _, err = call(capsys, "triage", str(file), "--format", "github")

    assert (code, err[:5]) == (3, "TK705")


def test_a_file_that_cannot_be_written_is_told(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = record(project, "a.jsonl", "failed")
    code, _, err = call(capsys, "triage", str(file), "--output", "none/t.txt")

    assert (code, err[:5]) == (3, "TK705")


@pytest.mark.parametrize("form", ["text", "markdown", "github", "html", "agent"])
def test_each_form_tells_the_cause(
    form: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = record(project, "a.jsonl", "passed", "failed")
    code, out, _ = call(capsys, "triage", str(file), "--format", form)

    assert code == 1
    assert "ValueError" in out


def test_a_limit_says_what_it_leaves_out(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = project / "a.jsonl"
    other = {"kind": "test", "nodeid": "u.py::u", "outcome": "failed", "message": "KeyError: 'x'"}
    other["chain"] = [{"type": "KeyError", "message": "'x'"}]  # type: ignore[assignment] # JSON
    file.write_text("\n".join([*record_lines()[:-1], json.dumps(other), record_lines()[-1]]))
    _, out, _ = call(capsys, "triage", "--limit", "1", str(file))

    assert "and 1 more cause with 1 failure" in out


def test_half_a_surrogate_does_not_stop_a_report(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = project / "a.jsonl"
    file.write_text("\n".join(record_lines()).replace("test_red", "test_red[\\ud800]"))

    assert call(capsys, "triage", str(file))[0] == 1


def test_diff_takes_the_words_and_files_and_exits_by_what_is_worse(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = project / ".testkit" / "runs"
    record(runs, "1-a.jsonl", "failed", "failed", "passed")
    record(runs, "2-b.jsonl", "passed", "failed", "passed")
    better = call(capsys, "diff", "previous", "last", "--format", "json")
    worse = call(capsys, "diff", "last", str(runs / "1-a.jsonl"))

    assert better[0] == 0
    assert json.loads(better[1])["fixed"] == ["t.py::t0"]
    assert json.loads(better[1])["still"] == ["t.py::t1"]
    assert worse[0] == 1
    assert "New failures (1)\n" in worse[1]
    assert "\n        t.py::t0\n" in worse[1]


def test_a_failing_test_that_was_deleted_is_named(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = record(project, "old.jsonl", "passed", "failed", "failed")
    module = {"kind": "collect", "nodeid": "t.py", "outcome": "error", "phase": "collect"}
    old.write_text(f"{old.read_text()}\n{json.dumps(module)}")
    new = record(project, "new.jsonl")
    (project / "t.py").write_text("def t2(): ...\n")
    code, out, _ = call(capsys, "diff", str(old), str(new), "--format", "json")

    assert code == 1
    assert [(one["nodeid"], one["now"]) for one in json.loads(out)["absences"]] == [
        ("t.py::t0", "gone"),
        ("t.py::t1", "gone"),
        ("t.py::t2", "left out"),
        ("t.py", "left out"),
    ]


def test_tests_that_a_killed_run_did_not_reach_have_not_vanished(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = record(project, "old.jsonl", "passed", "failed")
    new = record(project, "new.jsonl", "passed", end=False)
    code, out, _ = call(capsys, "diff", str(old), str(new), "--format", "json")

    assert (code, json.loads(out)["not_run"], json.loads(out)["vanished"]) == (0, ["t.py::t1"], [])
