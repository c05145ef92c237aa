"""What tests take by the history, and what got slower beyond its noise."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from testkit.record.history.run import Result, Run
from testkit.record.history.slowest import durations, slower

if TYPE_CHECKING:
    from collections.abc import Iterable


def runs(calls: Iterable[float], outcome: str = "passed", nodeid: str = "t.py::t") -> list[Run]:
    return [
        Run(str(n), f"{n:03}", "c", False, 0, (Result(nodeid, 1, outcome, 0.5, call, 0.25),))
        for n, call in enumerate(calls)
    ]


def test_phases_are_apart_and_medians() -> None:
    (found,) = durations(runs([1, 2, 9]))

    assert (found.setup, found.call, found.teardown, found.total) == (0.5, 2, 0.25, 2.75)


def test_the_slowest_is_first_and_failures_do_not_count() -> None:
    told = [*runs([1]), *runs([3], nodeid="t.py::slow"), *runs([9], "failed", "t.py::fails")]

    assert [one.nodeid for one in durations(told)] == ["t.py::slow", "t.py::t"]


def test_a_step_beyond_the_noise_is_told_with_its_phase() -> None:
    (found,) = slower(runs([1.0, 1.1, 0.9, 1.0, 1.05, 1.0, 2.0, 2.1, 1.9]))

    assert (found.phase, found.before, found.now) == ("call", 1.0, 2.0)


def test_one_slow_run_or_few_runs_are_no_regression() -> None:
    one_slow = runs([1.0, 1.1, 0.9, 1.0, 1.05, 1.0, 1.0, 9.0, 1.0])

    assert (slower(one_slow), slower(runs([1, 1, 1, 1, 5, 5, 5]))) == ([], [])


@given(st.integers(0, 2**32))
def test_noise_is_hardly_ever_a_regression(seed: int) -> None:
    rng = random.Random(seed)
    told = [slower(runs([rng.gauss(1.0, 0.1) for _ in range(23)])) for _ in range(10)]

    assert sum(map(len, told)) <= 1
