"""Files of a run: told apart by what is in them, merged, and answered when they are broken."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest

from testkit.core.messages import TestkitError
from testkit.triage.sources.reading import ReadRun, run_from
from tests.support.drawn_tracebacks import LONG
from tests.support.red_suites.broken_inputs import (
    BUILDERS,
    fifo,
    gzip_bomb,
    huge_junit,
    record_lines,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RED: Final = "tests/test_a.py::test_red"
REFUSED: Final = {
    "entity expansion": "TK703",
    "external entity": "TK703",
    "xml of something else": "TK702",
    "random bytes": "TK702",
    "empty": "TK701",
    "empty record": "TK701",
    "blank": "TK701",
    "directory": "TK700",
    "link to itself": "TK700",
    "missing": "TK700",
}


def told(*lines: dict[str, Any]) -> str:
    return "\n".join(json.dumps(line) for line in lines) + "\n"


def of_test(nodeid: str, outcome: str, **more: Any) -> dict[str, Any]:
    return {"kind": "test", "nodeid": nodeid, "outcome": outcome, "phase": "call", **more}


RUN: Final = {"kind": "run", "version": 1, "started": "2026-01-01T00:00:00Z", "root": "/p"}
END: Final = {"kind": "end", "exitstatus": 1, "cut": ""}


def read(tmp_path: Path, *texts: str, name: str = "run{}.jsonl") -> ReadRun:
    paths = [tmp_path / name.format(n) for n in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    return run_from(paths)


@pytest.mark.parametrize("name", [*BUILDERS])
def test_a_broken_file_gives_what_it_holds_with_a_note_or_a_clear_error(
    name: str, tmp_path: Path
) -> None:
    path = BUILDERS[name](tmp_path)
    if name in REFUSED:
        with pytest.raises(TestkitError) as refused:
            run_from([path])

        assert refused.value.code == REFUSED[name]
        assert str(path) in str(refused.value)
        return
    run = run_from([path])

    assert run.complete or run.lacks


def test_a_pipe_is_refused_without_a_wait(tmp_path: Path) -> None:
    with pytest.raises(TestkitError, match=r"TK700.*pipe"):
        run_from([fifo(tmp_path)])


def test_a_bomb_is_not_unpacked_to_its_end(tmp_path: Path) -> None:
    run = run_from([gzip_bomb(tmp_path, megabytes=30)])

    assert not run.complete
    assert "larger than 16 MiB" in run.lacks[-1]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_packed_file_is_known_by_its_content(
    pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(pack("\n".join(record_lines()).encode()))

    assert [one.nodeid for one in run_from([path]).failures] == [RED]


def test_a_packed_file_that_is_cut_gives_what_was_packed_before(tmp_path: Path) -> None:
    path = tmp_path / "log.gz"
    lines = [RUN, *(of_test(f"a::t{n}", "passed", noise="%030x" % (7**n)) for n in range(900))]
    path.write_bytes(gzip.compress(told(*lines).encode())[:-400])
    run = run_from([path])

    assert 0 < len(run.outcomes) < 900
    assert "could be read only in part" in " ".join(run.lacks)


def test_a_broken_file_beside_whole_ones_is_left_out_by_name(tmp_path: Path) -> None:
    whole = tmp_path / "whole.jsonl"
    whole.write_text("\n".join(record_lines()))
    run = run_from([BUILDERS["empty"](tmp_path), whole])

    assert (len(run.failures), run.complete) == (1, False)
    assert "empty.xml was left out" in run.lacks[-1]


def test_shards_are_one_run(tmp_path: Path) -> None:
    run = read(
        tmp_path,
        told(RUN, of_test("a::x", "failed", message="no"), of_test("a::y", "passed"), END),
        told(RUN, of_test("b::x", "failed", message="no"), END),
    )

    assert dict(run.counts) == {"failed": 2, "passed": 1}
    assert [one.nodeid for one in run.failures] == ["a::x", "b::x"]
    assert run.title == "run0.jsonl, run1.jsonl"


def test_the_same_failure_in_two_files_counts_once_another_one_twice(tmp_path: Path) -> None:
    run = read(
        tmp_path,
        told(RUN, of_test("a::x", "failed", message="no"), END),
        told(RUN, of_test("a::x", "failed", message="no"), END),
        told(RUN, of_test("a::x", "failed", message="other"), of_test("a::y", "passed"), END),
    )

    assert [(one.nodeid, one.message) for one in run.failures] == [
        ("a::x", "no"),
        ("a::x", "other"),
    ]
    assert dict(run.counts) == {"failed": 1, "passed": 1}


def test_only_the_last_attempt_is_a_failure(tmp_path: Path) -> None:
    run = read(
        tmp_path,
        told(
            RUN,
            of_test("a::flaky", "rerun", message="no", attempt=1),
            of_test("a::flaky", "passed", attempt=2),
            of_test("a::other", "failed", message="once", attempt=1),
            of_test("a::other", "passed", attempt=2),
            of_test("a::broken", "rerun", message="no", attempt=1),
            of_test("a::broken", "failed", message="still", attempt=2),
            END,
        ),
    )

    assert dict(run.counts) == {"passed": 2, "failed": 1, "rerun": 3}
    assert [(one.nodeid, one.message) for one in run.failures] == [("a::broken", "still")]


def test_a_teardown_that_fails_behind_a_pass_is_the_outcome(tmp_path: Path) -> None:
    run = read(
        tmp_path,
        told(RUN, of_test("a::x", "passed"), of_test("a::x", "error", phase="teardown"), END),
    )

    assert dict(run.outcomes) == {"a::x": "error"}


def test_a_failure_that_only_counts_subtests_is_none_beside_them(tmp_path: Path) -> None:
    summary = of_test("a::x", "failed", message="contains 1 failed subtest")
    run = read(
        tmp_path, told(RUN, of_test("a::x", "failed", subtest="i=1", message="no"), summary, END)
    )

    assert [one.subtest for one in run.failures] == ["i=1"]


def test_a_failure_that_sums_up_its_subtests_is_none(tmp_path: Path) -> None:
    failed = of_test("a::x", "failed", subtest="i=1", message="no")
    run = read(tmp_path, told(RUN, of_test("a::x", "failed", sums=1, message="any"), failed, END))

    assert [one.subtest for one in run.failures] == ["i=1"]


def test_a_record_without_evidence_is_read_like_a_drawn_report(tmp_path: Path) -> None:
    run = read(tmp_path, told(RUN, of_test("tests/test_a.py::x", "failed", text=LONG), END))

    assert [raised.type for raised in run.failures[0].chain] == [
        "shop.errors.WrappedError",
        "ValueError",
    ]


def test_a_run_without_an_end_says_so(tmp_path: Path) -> None:
    run = read(tmp_path, told(RUN, of_test("a::x", "failed")))

    assert (run.complete, run.cut) == (False, "killed")
    assert "has no end" in run.lacks[0]


def test_a_crashed_worker_and_a_cut_run_are_told(tmp_path: Path) -> None:
    crash = {"kind": "worker", "worker": "gw1", "what": "crashed", "while": "a::x"}
    run = read(tmp_path, told(RUN, crash, {**END, "cut": "maxfail"}))

    assert (run.complete, run.cut) == (True, "maxfail")
    assert run.lacks[0] == "Worker gw1 crashed while it ran a::x."


def test_what_was_selected_is_known(tmp_path: Path) -> None:
    lines = {
        "kind": "selected",
        "nodeids": ["a::x", 3],
        "deselected": 2,
        "deselected_nodeids": ["a::y"],
    }
    run = read(tmp_path, told(RUN, lines, END))

    assert ({*run.selected}, {*run.deselected}, run.deselected_count) == ({"a::x"}, {"a::y"}, 2)


def test_selected_tests_without_an_outcome_are_told_where_nothing_else_says_why(
    tmp_path: Path,
) -> None:
    selected = {"kind": "selected", "nodeids": ["a::x", "a::z", "a::y"]}
    lines = RUN, selected, of_test("a::x", "passed")
    whole = of_test("a::y", "passed"), of_test("a::z", "skipped")

    (lack,) = read(tmp_path, told(*lines, END)).lacks
    assert lack.startswith("Of the selected tests 2 left no outcome, among them a::y:")
    assert read(tmp_path, told(*lines, *whole, END)).lacks == ()
    assert len(read(tmp_path, told(*lines, {**END, "cut": "maxfail"})).lacks) == 1
    assert read(tmp_path, told(RUN, selected, END)).lacks == ()  # only collected


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_a_large_file_is_read_as_a_stream(tmp_path: Path) -> None:
    path, failures = huge_junit(tmp_path, megabytes=60, padding=200_000)
    program = (
        "import re, sys; from pathlib import Path;"
        "from testkit.triage.sources.reading import run_from;"
        "print(len(run_from([Path(sys.argv[1])]).failures),"
        # What getrusage tells begins with the peak of the process that started this one.
        " re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, check=True
    )
    read, peak = map(int, done.stdout.split())

    assert read == failures
    assert peak < 150 << 10
