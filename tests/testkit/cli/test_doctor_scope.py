"""``testkit doctor`` with a baseline, and with a revision to compare with."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from testkit.cli.doctor_scope import beyond, changed_since, write_baseline
from testkit.core.messages import TestkitError
from testkit.doctor.static.check import read_files
from testkit.doctor.static.files import find_modules
from tests.support.commands import called

if TYPE_CHECKING:
    from pathlib import Path

    from testkit.doctor.finding import Finding

ONE = "c = sa.Column(sa.JSON, default=[])\n"
OTHER = "d = sa.Column(sa.JSON, default={})\n"
HEAD = "import sqlalchemy as sa\n"


def findings(folder: Path, text: str, name: str = "models.py") -> list[Finding]:
    (folder / name).write_text(text)
    return read_files(find_modules([], folder), {"TD201"}, folder).findings()


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=n", "-c", "user.email=e@e", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        env=os.environ | {"GIT_CONFIG_GLOBAL": os.devnull},
    )


def test_what_stands_in_a_baseline_is_left_out_wherever_it_has_moved(tmp_path: Path) -> None:
    baseline = tmp_path / "baseline.json"

    assert write_baseline(findings(tmp_path, HEAD + ONE), baseline, tmp_path) == 1
    moved = findings(tmp_path, HEAD + "x = 1\n\n" + OTHER + ONE)
    kept, left, gone = beyond(moved, baseline, tmp_path)
    assert ([finding.line for finding in kept], left, gone) == ([4], 1, [])


def test_the_second_of_two_equal_lines_is_new_and_a_mended_one_is_told(tmp_path: Path) -> None:
    baseline = tmp_path / "baseline.json"
    write_baseline(findings(tmp_path, HEAD + ONE + OTHER), baseline, tmp_path)
    kept, left, gone = beyond(findings(tmp_path, HEAD + ONE + ONE), baseline, tmp_path)

    assert ([finding.line for finding in kept], left) == ([3], 1)
    assert gone == ["TD201 models.py"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "No such file"),
        ("{", "Expecting"),
        ("[]", "another form"),
        ('{"version": 2}', "version 2, 1 is known"),
        ('{"version": 1, "findings": [{"code": "TD201"}]}', "another form"),
        ('{"version": 1, "findings": [{"code": 1, "path": "", "line": "", "count": "x"}]}', "int"),
    ],
)
def test_a_file_that_is_no_baseline_is_refused(
    text: str | None, words: str, tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / "b.json").write_text(text)
    with pytest.raises(TestkitError, match="TK435") as raised:
        beyond([], tmp_path / "b.json", tmp_path)

    assert words in str(raised.value)


def test_only_lines_changed_since_the_branch_left_are_told(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    findings(tmp_path, HEAD + ONE, "a file.py")
    findings(tmp_path, HEAD + ONE, "old.py")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    git(tmp_path, "checkout", "-qb", "work")
    git(tmp_path, "mv", "old.py", "renamed.py")
    findings(tmp_path, HEAD + ONE + OTHER, "a file.py")
    git(tmp_path, "commit", "-qam", "second")
    git(tmp_path, "checkout", "-q", "main")
    findings(tmp_path, HEAD + OTHER + ONE, "meanwhile.py")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "meanwhile")
    git(tmp_path, "checkout", "-q", "work")
    found = findings(tmp_path, HEAD + ONE, "unknown.py")

    told = [
        (each.path.rpartition("/")[2], each.line) for each in changed_since(found, "main", tmp_path)
    ]
    assert told == [("a file.py", 3), ("unknown.py", 2)]


@pytest.mark.parametrize("revision", ["no-such", "--output=x", ""])
def test_a_revision_that_git_does_not_know_is_refused(revision: str, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    with pytest.raises(TestkitError, match="TK436"):
        changed_since([], revision, tmp_path)

    assert list(tmp_path.iterdir()) == [tmp_path / ".git"]


def test_without_a_checkout_nothing_can_be_compared(tmp_path: Path) -> None:
    with pytest.raises(TestkitError, match="TK436"):
        changed_since([], "main", tmp_path)


def test_the_command_writes_a_baseline_and_begins_from_there(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "models.py").write_text(HEAD + ONE)
    written = called("doctor", "--write-baseline", "old.json", folder=tmp_path)

    assert (written.returncode, written.stderr) == (0, "testkit: old.json has 1 findings\n")
    told: dict[str, Any] = json.loads((tmp_path / "old.json").read_text())
    assert told["findings"] == [
        {"code": "TD201", "path": "models.py", "line": ONE.strip(), "count": 1}
    ]
    again = called("doctor", "--baseline", "old.json", folder=tmp_path)
    assert (again.returncode, again.stdout) == (0, "0 errors, 0 warnings in 1 file.\n")
    assert again.stderr == "testkit: 1 left out, as old.json has them\n"
    assert called("doctor", "--fix", "--baseline", "old.json", folder=tmp_path).returncode == 2
