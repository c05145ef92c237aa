"""``testkit polluter`` on suites whose tests change what others stand on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.suites import RecordedSuite
from tests.support.waiting import wait_until

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


def call(suite: RecordedSuite, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "testkit", "polluter", *arguments],
        cwd=suite.folder,
        # Without plugins, which a dozen experiments would each load for a second or two.
        env=suite.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("needed", [["c"], ["a b", "d"]])
def test_one_polluter_and_two_together_are_found(tmp_path: Path, needed: list[str]) -> None:
    suite = RecordedSuite(tmp_path / "suite", test_it=TESTS.replace("{NEEDED}", repr(set(needed))))
    suite.configure("")
    suite.run()
    done = call(suite, "test_it.py::test_victim")
    names = [f"test_it.py::TestOthers::test_leaves[{name}]" for name in needed]

    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines()[1:-1] == [f"  {name}" for name in names]
    assert done.stderr.startswith("1: behind 0 tests: passed, ")
    assert all(f"'{name}'" in done.stdout.splitlines()[-1] for name in names)


@pytest.mark.slow
def test_a_program_reads_what_was_found(tmp_path: Path) -> None:
    suite = RecordedSuite(tmp_path / "suite", test_it=TESTS.replace("{NEEDED}", "{'d'}"))
    suite.configure("")
    suite.run()
    done = call(suite, "test_it.py::test_victim", "--format", "json")
    answer = json.loads(done.stdout)
    polluter = "test_it.py::TestOthers::test_leaves[d]"

    assert (done.returncode, answer["verdict"], answer["polluters"]) == (1, "found", [polluter])
    assert answer["command"][-2:] == [polluter, "test_it.py::test_victim"]
    assert answer["experiments"] == len(done.stderr.splitlines())
    again = subprocess.run(
        [sys.executable, "-m", *answer["command"]],
        cwd=suite.folder,
        env=suite.environment(),
        stdout=subprocess.DEVNULL,
        check=False,
    )
    assert again.returncode == 1


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_ends_the_command_ends_the_experiment(tmp_path: Path, number: int) -> None:
    text = """
        import os
        import pathlib
        import threading

        def test_it():
            pathlib.Path("pid").write_text(str(os.getpid()))
            threading.Event().wait(60 if pathlib.Path("hangs").exists() else 0)
            assert False
    """
    suite = RecordedSuite(tmp_path / "suite", test_it=text)
    suite.configure("")
    suite.run()
    (suite.folder / "pid").unlink()
    (suite.folder / "hangs").touch()
    command = [sys.executable, "-m", "testkit", "polluter", "test_it.py::test_it"]
    process = subprocess.Popen(
        command,
        cwd=suite.folder,
        env=suite.environment(),
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 - a background job ignores it
    )
    wait_until(lambda: (suite.folder / "pid").exists() and (suite.folder / "pid").read_text())
    child = int((suite.folder / "pid").read_text())
    process.send_signal(number)

    assert process.wait(timeout=30) not in {0, None}
    assert not is_running(child)


@pytest.mark.slow
def test_a_broken_test_and_one_that_never_failed_have_no_polluter(tmp_path: Path) -> None:
    suite = RecordedSuite(tmp_path / "suite", test_it=TESTS.replace("{NEEDED}", "{'z'}"))
    suite.configure("")
    suite.run()
    broken = call(suite, "test_it.py::test_broken")
    passing = call(suite, "test_it.py::test_victim")

    assert (broken.returncode, passing.returncode) == (0, 2)
    assert broken.stdout.startswith("It fails alone")
    assert passing.stderr.startswith("TK740")
