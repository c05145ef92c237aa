"""``testkit polluter`` on suites whose tests change what others stand on."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.suites import Suite

if TYPE_CHECKING:
    from pathlib import Path

TESTS: Final = """
    import pytest

    SEEN = []

    class TestOthers:
        @pytest.mark.parametrize("name", ["a b", "c", "d"])
        def test_leaves(self, name):
            SEEN.append(name)

    @pytest.mark.parametrize("n", range(6))
    def test_nothing(n):
        pass

    def test_victim():
        assert not {NEEDED} <= set(SEEN)

    def test_broken():
        assert False
"""


def call(suite: Suite, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "testkit", "polluter", *arguments],
        cwd=suite.folder,
        env={k: v for k, v in suite.environment().items() if k != "PYTEST_DISABLE_PLUGIN_AUTOLOAD"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.slow
@pytest.mark.parametrize("needed", [["c"], ["a b", "d"]])
def test_one_polluter_and_two_together_are_found(tmp_path: Path, needed: list[str]) -> None:
    suite = Suite(tmp_path / "suite", test_it=TESTS.replace("{NEEDED}", repr(set(needed))))
    suite.configure("")
    suite.run()
    done = call(suite, "test_it.py::test_victim")
    names = [f"test_it.py::TestOthers::test_leaves[{name}]" for name in needed]

    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines()[1:-1] == [f"  {name}" for name in names]
    assert done.stderr.startswith("1: behind 0 tests: passed, ")
    assert all(f"'{name}'" in done.stdout.splitlines()[-1] for name in names)


@pytest.mark.slow
def test_a_broken_test_and_one_that_never_failed_have_no_polluter(tmp_path: Path) -> None:
    suite = Suite(tmp_path / "suite", test_it=TESTS.replace("{NEEDED}", "{'z'}"))
    suite.configure("")
    suite.run()
    broken = call(suite, "test_it.py::test_broken")
    passing = call(suite, "test_it.py::test_victim")

    assert (broken.returncode, passing.returncode) == (0, 2)
    assert broken.stdout.startswith("It fails alone")
    assert passing.stderr.startswith("TK740")
