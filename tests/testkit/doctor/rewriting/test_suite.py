"""What counts as worse, and what a real suite answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testkit.doctor.rewriting.suite import Suite, ask, worse

if TYPE_CHECKING:
    from pathlib import Path

BEFORE = Suite({"t.py::a": "passed", "t.py::b": "failed", "u.py::c": "passed"})


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (BEFORE, ""),
        (Suite({"t.py::a": "passed", "t.py::b": "passed", "u.py::c": "passed"}), ""),
        (Suite({"t.py::a": "passed", "t.py::new": "failed", "u.py::c": "passed"}), ""),
        (
            Suite({"t.py::a": "failed", **dict.fromkeys(("t.py::b", "u.py::c"), "passed")}),
            "t.py::a passed before",
        ),
        (
            Suite({"t.py::a": "skipped", **dict.fromkeys(("t.py::b", "u.py::c"), "passed")}),
            "t.py::a passed before",
        ),
        (Suite({"t.py::a": "passed", "u.py::c": "passed"}), "t.py has 1 tests, it had 2"),
        (Suite(BEFORE.tests, 2), "2 more files cannot be collected"),
        (Suite(problem="it hung"), "it hung"),
    ],
)
def test_worse_is_fewer_tests_or_one_that_passed_and_does_not(after: Suite, words: str) -> None:
    assert worse(BEFORE, after) == words


def test_a_suite_that_never_worked_is_not_made_worse() -> None:
    assert worse(Suite(problem="no"), Suite(problem="no")) == ""
    assert worse(Suite(problem="no"), BEFORE) == ""


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the plugins that are installed here: they take three seconds to load."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def test_a_suite_is_asked_with_its_own_options_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --ff -k 'not left'\n")
    (tmp_path / "test_it.py").write_text(
        "import pytest\ndef test_a(): pass\ndef test_b(): assert 0\ndef test_left(): pass\n"
        "@pytest.fixture\ndef bad():\n    yield\n    1 / 0\ndef test_c(bad): pass\n"
    )
    (tmp_path / "test_broken.py").write_text("import nothing_there\n")
    before = {path.name for path in tmp_path.iterdir()}

    assert ask(tmp_path, "collect") == Suite(
        {f"test_it.py::test_{name}": "collected" for name in "abc"}, errors=1
    )
    (tmp_path / "test_broken.py").unlink()
    assert ask(tmp_path, "run").tests == {
        "test_it.py::test_a": "passed",
        "test_it.py::test_b": "failed",
        "test_it.py::test_c": "failed",
    }
    left = {path.name for path in tmp_path.iterdir()} - {"__pycache__"}
    assert left == before - {"test_broken.py"}


def test_a_suite_that_gives_no_answer_is_told_with_what_it_said(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")

    assert ask(tmp_path, "collect").problem.startswith("pytest ended with 4: ")
