"""Defects planted in red suites: doctor finds them, and its rewrites turn the tests green."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.commands import called
from tests.support.red_suites.disguise_table import DISGUISES
from tests.support.red_suites.generator import generate
from tests.support.red_suites.running import run_red_suite
from tests.support.sizes import seed_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def found_in(folder: Path) -> dict[str, set[str]]:
    """Return by code the files in which doctor finds something."""
    told: dict[str, Any] = json.loads(called("doctor", "--format", "json", folder=folder).stdout)
    found: dict[str, set[str]] = {}
    for finding in told["findings"]:
        found.setdefault(finding["code"], set()).add(finding["path"])
    return found


def written(folder: Path, disguise: str) -> Path:
    for name, text in DISGUISES[disguise].files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return folder


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("constructor_defaults", "TD703"),
        ("string_id", "TD702"),
        ("unique_violation", "TD701"),
        ("session_double", "TD601"),
        ("time_threshold", "TD622"),
        ("leaked_variable", "TD631"),
    ],
)
def test_a_planted_defect_is_found_and_nothing_else(
    kind: str, code: str, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    generate(tmp_path, seed=seed_of(pytestconfig), kinds=[kind])

    assert set(found_in(tmp_path)) == {code}


@pytest.mark.parametrize(
    ("disguise", "codes"),
    [
        ("deleted constructor", {"TD601", "TD703"}),  # its session is a stand-in, too
        ("double import", {"TD711"}),
        ("leaked by a fixture", {"TD631"}),
        ("no session", {"TD601"}),
        ("unloaded fixture", {"TD731"}),
    ],
)
def test_a_disguised_defect_is_found(disguise: str, codes: set[str], tmp_path: Path) -> None:
    assert set(found_in(written(tmp_path, disguise))) == codes


@pytest.mark.parametrize("disguise", ["deleted constructor", "double import"])
def test_a_rewrite_turns_the_tests_green_and_leaves_their_assertions(
    disguise: str, tmp_path: Path
) -> None:
    folder = written(tmp_path, disguise)
    tests = {path: path.read_text() for path in (folder / "tests").rglob("test_*.py")}
    done = called("doctor", "--fix", "--verify", "--ignore", "doubles", folder=folder)

    assert (done.returncode, "rewrote" in done.stderr) == (0, True), done.stdout + done.stderr
    for path, text in tests.items():
        asserts = [line for line in text.splitlines() if "assert" in line]
        assert [line for line in path.read_text().splitlines() if "assert" in line] == asserts
    ran = run_red_suite(folder)
    assert (ran.code, ran.red) == (0, frozenset()), ran.text


@pytest.mark.parametrize("kind", ["constructor_defaults", "leaked_variable"])
def test_a_generated_suite_turns_green(
    kind: str, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    suite = generate(tmp_path, seed=seed_of(pytestconfig), kinds=[kind])
    done = called("doctor", "--fix", "--verify", folder=tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    ran = run_red_suite(tmp_path)
    assert suite.truth
    assert (ran.code, ran.red) == (0, frozenset()), ran.text
