"""What a run records: every outcome, in every kind of run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Final

import pytest

from testkit.record.files import is_being_written, records
from tests.support.recorded import last_record, lines_of, outcomes, told_of_tests
from tests.support.suites import RecordedSuite
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

TESTS: Final = """
    import pytest

    @pytest.fixture
    def broken():
        raise RuntimeError("no fixture")

    @pytest.fixture
    def ends_badly():
        yield
        raise RuntimeError("no end")

    def test_passes():
        pass

    def test_fails():
        password = "hunter2-and-more"
        assert {"password": password} == {}

    def test_has_no_fixture(broken):
        pass

    def test_ends_badly(ends_badly):
        pass

    @pytest.mark.skip(reason="not here")
    def test_is_skipped():
        pass

    @pytest.mark.xfail(reason="known")
    def test_is_expected_to_fail():
        assert False

    @pytest.mark.xfail
    def test_passes_unexpectedly():
        pass

    def test_has_subtests(subtests):
        for number in range(3):
            with subtests.test("part", number=number):
                assert number != 1
"""
OUTCOMES: Final = [
    ("test_ends_badly", "call", "passed"),
    ("test_ends_badly", "teardown", "error"),
    ("test_fails", "call", "failed"),
    ("test_has_no_fixture", "setup", "error"),
    ("test_has_subtests", "call", "failed"),
    ("test_has_subtests[part] (number=1)", "call", "failed"),
    ("test_is_expected_to_fail", "call", "xfailed"),
    ("test_is_skipped", "setup", "skipped"),
    ("test_passes", "call", "passed"),
    ("test_passes_unexpectedly", "call", "xpassed"),
]
COUNTS: Final = {"error": 2, "failed": 2, "passed": 1, "skipped": 1, "xfailed": 1, "xpassed": 1}


@pytest.fixture
def suite(tmp_path: Path) -> RecordedSuite:
    suite = RecordedSuite(tmp_path / "a suite", test_it=TESTS)
    suite.configure("")
    return suite


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "2"])
def test_every_outcome_is_recorded(suite: RecordedSuite, workers: str) -> None:
    done = suite.run("-n", workers)
    lines = last_record(suite.folder)
    first, last = lines[0], lines[-1]

    assert done.code == 1, done.text
    assert outcomes(lines) == OUTCOMES
    assert (first["kind"], first["version"], first["workers"]) == ("run", 1, int(workers))
    assert (last["kind"], last["exitstatus"], last["counts"]) == ("end", 1, COUNTS)
    assert f"testkit: recorded in {records(suite.folder)[0].relative_to(suite.folder)}" in done.text
    assert "hunter2" not in records(suite.folder)[0].read_text()
    assert not is_being_written(records(suite.folder)[0])


@pytest.mark.slow
def test_a_test_is_recorded_with_its_place_its_worker_and_its_times(suite: RecordedSuite) -> None:
    suite.run("-n", "2")
    lines = last_record(suite.folder)
    selected = [line for line in lines if line["kind"] == "selected"]
    by_worker: dict[str, list[int]] = {}
    for line in told_of_tests(lines):
        by_worker.setdefault(line["worker"], []).append(line["order"])
    failed = next(line for line in told_of_tests(lines) if line["nodeid"].endswith("test_fails"))

    assert len(selected) == 1
    assert len(selected[0]["nodeids"]) == 8
    assert set(by_worker) <= {"gw0", "gw1"}
    assert all(orders == sorted(orders) for orders in by_worker.values())
    assert all(line["attempt"] == 1 for line in told_of_tests(lines))
    assert {"setup", "call", "began", "signature", "message", "text"} <= failed.keys()
    assert {line["worker"] for line in lines if line["kind"] == "worker"} == {"gw0", "gw1"}


def test_nothing_is_recorded_where_nobody_asked(tmp_path: Path) -> None:
    suite = RecordedSuite(tmp_path / "suite", test_it="def test_it(): pass")
    suite.run()
    without = (suite.folder / ".testkit").exists()
    suite.run("--testkit-record")
    suite.run("--testkit-record", "--collect-only", "-q")

    assert not without
    assert len(records(suite.folder)) == 1
    assert (suite.folder / ".testkit" / ".gitignore").read_text() == "*\n"


def test_the_configuration_turns_it_off(suite: RecordedSuite) -> None:
    suite.configure("record = false")
    suite.run()

    assert records(suite.folder) == []


@pytest.mark.slow
def test_a_module_that_cannot_be_imported_is_recorded_once(suite: RecordedSuite) -> None:
    suite.write("test_broken.py", "import no_such_module_anywhere\n")
    done = suite.run("-n", "2")
    told = [line for line in last_record(suite.folder) if line["kind"] == "collect"]

    assert done.code in {1, 2}
    assert [(line["nodeid"], line["outcome"]) for line in told] == [("test_broken.py", "error")]
    assert "no_such_module_anywhere" in told[0]["text"]


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_run_that_stops_at_the_first_failure_says_so(suite: RecordedSuite, workers: str) -> None:
    suite.run("-x", "-n", workers)

    assert last_record(suite.folder)[-1]["cut"] == "maxfail"


CRASH: Final = """
    import os
    import pytest

    @pytest.mark.parametrize("number", range(6))
    def test_it(number):
        if number == 3:
            os._exit(7)
"""


@pytest.mark.slow
def test_a_worker_that_crashed_is_recorded_with_its_test(tmp_path: Path) -> None:
    suite = RecordedSuite(tmp_path / "suite", test_it=CRASH)
    suite.configure("")
    suite.run("-n", "2")
    lines = last_record(suite.folder)
    crashed = [line for line in lines if line["kind"] == "worker" and "while" in line]
    failed = [line for line in told_of_tests(lines) if line["outcome"] == "failed"]

    assert [(line["what"], line["while"]) for line in crashed] == [
        ("crashed", "test_it.py::test_it[3]")
    ]
    assert [line["nodeid"] for line in failed] == ["test_it.py::test_it[3]"]
    assert lines[-1]["counts"] == {"failed": 1, "passed": 5}


HANGS: Final = """
    import pathlib
    import threading

    def test_before():
        assert False

    def test_hangs():
        pathlib.Path("hangs").touch()
        threading.Event().wait()
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_ended_from_outside_can_be_read(tmp_path: Path, number: int) -> None:
    suite = RecordedSuite(tmp_path / "suite", test_it=HANGS)
    suite.configure("")
    process = suite.start()
    wait_until((suite.folder / "hangs").exists)
    written = is_being_written(records(suite.folder)[0])
    os.kill(process.pid, number)
    process.wait(timeout=30)
    lines = last_record(suite.folder)
    ends = [line for line in lines if line["kind"] == "end"]

    assert written
    assert ("test_before", "call", "failed") in outcomes(lines)
    assert [line["cut"] for line in ends] == (["interrupted"] if number == signal.SIGINT else [])
    assert not is_being_written(records(suite.folder)[0])


@pytest.mark.slow
def test_only_the_newest_records_are_kept(tmp_path: Path) -> None:
    suite = RecordedSuite(tmp_path / "suite", test_it="def test_it(): pass")
    suite.configure("runs = 2")
    for _ in range(3):
        suite.run()
    names = [path.name for path in records(suite.folder)]

    assert len(names) == 2
    assert names == sorted(names, reverse=True)


@pytest.mark.slow
def test_where_no_record_can_be_written_the_tests_run_all_the_same(suite: RecordedSuite) -> None:
    (suite.folder / ".testkit").write_text("in the way")
    done = suite.run()

    assert done.code == 1
    assert len(done.tests) == 8
    assert done.text.count("testkit: TK670: ") == 1


NESTED: Final = """
    pytest_plugins = ["pytester"]

    def test_runs_pytest(pytester):
        pytester.makepyprojecttoml("[tool.testkit]")
        pytester.makepyfile("def test_inner(): assert False")
        result = pytester.runpytest_inprocess("-p", "testkit.pytest_plugin.hooks")
        result.assert_outcomes(failed=1)

    def test_after():
        assert False
"""


@pytest.mark.slow
def test_a_run_inside_a_test_has_a_record_of_its_own(tmp_path: Path) -> None:
    suite = RecordedSuite(tmp_path / "suite", test_it=NESTED)
    suite.configure("")
    suite.run("-p", "pytester")
    lines = last_record(suite.folder)

    assert outcomes(lines) == [
        ("test_after", "call", "failed"),
        ("test_runs_pytest", "call", "passed"),
    ]
    assert len(records(suite.folder)) == 1


CHILDREN: Final = """
    import os

    import pytest

    def test_has_no_child_process():
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
"""


@pytest.mark.parametrize("changed", [False, True])
def test_git_has_told_of_changes_before_the_first_test(*, changed: bool, tmp_path: Path) -> None:
    suite = RecordedSuite(tmp_path / "suite", test_it=CHILDREN)
    suite.configure("")
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    for words in (("init", "-q"), ("add", "."), (*who, "commit", "-q", "-m", "all")):
        subprocess.run(["git", *words], cwd=suite.folder, check=True)
    if changed:
        suite.write("test_it.py", f"{CHILDREN}\n    # changed\n")
    done = suite.run()

    assert done.code == 0, done.text
    assert last_record(suite.folder)[-1]["dirty"] is changed


def test_texts_that_cannot_be_encoded_do_not_end_the_run(tmp_path: Path) -> None:
    suite = RecordedSuite(
        tmp_path / "suite",
        test_it='def test_it():\n    assert "\\ud800 \\x00 \\x1b[31m" == "\\udfff"\n',
    )
    suite.configure("")
    suite.run()  # from a worker of xdist pytest itself cannot send them
    text = records(suite.folder)[0].read_text()

    assert [json.loads(line)["kind"] for line in text.splitlines()][-1] == "end"
    assert lines_of(records(suite.folder)[0])[-1]["counts"] == {"failed": 1}


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "2"])
def test_the_servers_that_were_used_are_recorded(workers: str, tmp_path: Path) -> None:
    suite = RecordedSuite(tmp_path / "suite")
    suite.configure('postgres = "embedded"\nredis = "embedded"\n')
    suite.write("test_it.py", "def test_a(redis_client): ...\n\ndef test_b(database): ...\n")
    done = suite.run("-n", workers)

    assert done.code == 0, done.text
    backends = last_record(suite.folder)[-1]["backends"]
    assert [text.split()[0] for text in backends] == ["PostgreSQL", "Valkey"]
    assert all(text.endswith(" (embedded)") for text in backends)
