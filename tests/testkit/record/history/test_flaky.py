"""Which tests are flaky: both outcomes on one code, with what certainty, and whether by order."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from testkit.record.history.flaky import flaky, wilson
from testkit.record.history.run import Result, Run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def run(name: str, *results: Result, commit: str = "c1", dirty: bool | None = False) -> Run:
    return Run(name, f"2026-01-01T00:00:{name}", commit, dirty, 1, results)


def one(outcome: str, nodeid: str = "t.py::t", attempt: int = 1, order: int = -1) -> Result:
    return Result(nodeid, attempt, outcome, order=order)


def ordered(name: str, tests: Sequence[str], *, fails: bool) -> Run:
    """Return a run of these tests in this order, the target last, or failing, of one worker."""
    results = [one("passed", test, order=n) for n, test in enumerate(tests)]
    target = one("failed" if fails else "passed", "t.py::target", order=len(tests))
    return run(name, *results, target)


def test_both_outcomes_on_one_clean_commit_are_flaky() -> None:
    found = flaky([run("1", one("passed")), run("2", one("failed")), run("3", one("passed"))])

    assert [(f.nodeid, f.failures, f.attempts, f.runs) for f in found] == [("t.py::t", 1, 3, 3)]
    assert found[0].codes == ("commit c1",)


def test_runs_too_few_to_tell_order_are_not_read_for_each_of_their_flaky_tests() -> None:
    class Counted(tuple[Result, ...]):
        __slots__ = ()
        reads = 0

        def __iter__(self) -> Iterator[Result]:
            Counted.reads += 1
            return super().__iter__()

    outcomes = ("passed", "failed", "passed")
    runs = [
        Run(
            f"{n}",
            f"{n}",
            "c1",
            False,
            1,
            Counted(one(told, f"t.py::t{k}", order=k) for k in range(50)),
        )
        for n, told in enumerate(outcomes)
    ]

    assert len(flaky(runs)) == 50
    assert Counted.reads <= 10


def test_a_test_that_is_broken_is_not_flaky() -> None:
    broken = [run("1", one("failed")), run("2", one("failed"))]
    mended = [run("3", one("passed"), commit="c2")]

    assert flaky(broken + mended) == []


def test_runs_of_changed_files_or_of_no_commit_do_not_compare() -> None:
    for told in ({"dirty": True}, {"dirty": None}, {"commit": ""}):
        runs = [run("1", one("passed"), **told), run("2", one("failed"), **told)]

        assert flaky(runs) == []


def test_skipped_and_expected_failures_are_neither() -> None:
    runs = [run(str(n), one(outcome)) for n, outcome in enumerate(["failed", "skipped", "xfailed"])]

    assert flaky(runs) == []


def test_a_rerun_that_passes_is_flaky_within_its_run() -> None:
    found = flaky([run("1", one("rerun"), one("passed", attempt=2), dirty=True)])

    assert [(f.reruns, f.failures, f.attempts, f.codes) for f in found] == [(1, 1, 2, ("run 1",))]


def test_a_failure_that_goes_by_what_ran_before_is_told_apart() -> None:
    rng = random.Random(7)
    others = [f"t.py::t{n}" for n in range(40)]
    runs = []
    for n in range(24):
        before = rng.sample(others, 20)
        runs.append(ordered(f"{n:02}", before, fails="t.py::t5" in before))
    found = flaky(runs)

    assert [(f.nodeid, f.by_order, f.suspects) for f in found] == [
        ("t.py::target", True, ("t.py::t5",))
    ]


def test_a_selection_that_always_passes_is_told_apart_by_all_that_it_leaves_out() -> None:
    whole = [ordered(f"0{n}", ["t.py::a", "t.py::b"], fails=True) for n in range(4)]
    alone = [ordered(f"1{n}", [], fails=False) for n in range(4)]
    found = flaky(whole + alone)

    assert found[0].suspects == ("t.py::b", "t.py::a")


def test_chance_is_not_taken_for_order() -> None:
    whole = [ordered("01", ["t.py::a", "t.py::b"], fails=True)]
    alone = [ordered("11", [], fails=False)]

    assert [f.by_order for f in flaky(whole + alone)] == [False]


@given(st.integers(0, 2**32))
def test_a_failure_at_random_is_hardly_ever_told_as_order(seed: int) -> None:
    rng = random.Random(seed)
    found = []
    for _ in range(10):
        others = [f"t.py::t{n}" for n in range(30)]
        runs = [
            ordered(f"{n:02}", rng.sample(others, 15), fails=rng.random() < 0.5) for n in range(12)
        ]
        found += flaky(runs)

    assert sum(f.by_order for f in found) <= 4  # of 10, where 0.5 are expected at most


def test_a_rerun_behind_the_same_tests_refutes_order() -> None:
    whole = [ordered(f"0{n}", ["t.py::a"], fails=True) for n in range(4)]
    alone = [ordered(f"1{n}", [], fails=False) for n in range(4)]
    again = run(
        "20",
        one("passed", "t.py::a", order=0),
        one("rerun", "t.py::target", order=1),
        one("passed", "t.py::target", attempt=2, order=1),
    )

    assert [(f.by_order, f.reruns) for f in flaky([*whole, *alone, again])] == [(False, 1)]


@given(st.integers(0, 400), st.integers(0, 400))
def test_the_bounds_of_a_rate_hold_it(failures: int, passes: int) -> None:
    attempts = failures + passes
    low, high = wilson(failures, attempts)

    assert 0 <= low <= high <= 1
    assert not attempts or low - 1e-9 <= failures / attempts <= high + 1e-9


def test_the_bounds_are_those_of_the_books() -> None:
    low, high = wilson(1, 10)

    assert (round(low, 4), round(high, 4)) == (0.0179, 0.4042)
