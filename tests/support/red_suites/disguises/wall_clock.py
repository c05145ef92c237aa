"""Tests hold measured time against limits that no machine keeps."""

from __future__ import annotations

from typing import Final

from tests.support.red_suites.disguise import Disguise

__all__ = ["DISGUISE"]

_WORK: Final = """
    import time


    def work():
        return sum(range(2000))


    def timed():
        began = time.perf_counter()
        work()
        return time.perf_counter() - began


    def rate():
        return 1000 / timed()
"""
_FAST: Final = """
    import time

    import pytest

    from app import work


    @pytest.mark.parametrize("turn", [1, 2, 3])
    def test_work_is_fast(turn):
        began = time.perf_counter()
        work.work()
        elapsed = time.perf_counter() - began
        assert elapsed < 0.000_000_1


    def test_the_work_is_right():
        assert work.work() == 1999000
"""
_SLOW: Final = """
    import time

    from app import work


    def test_a_hundred_are_fast():
        start = time.monotonic()
        while time.monotonic() == start:
            work.work()
        duration_ms = (time.monotonic() - start) * 1000
        assert duration_ms <= 0.000_01, f"took {duration_ms:.3f} ms"


    def test_the_helper_is_fast():
        took = work.timed()
        assert took < 1e-7


    class TestSpeed:
        def test_each_is_fast(self):
            latency = max(work.timed() for _ in range(3))
            assert latency <= 1e-7, "too slow"
"""

DISGUISE: Final = Disguise(
    cause="limits on wall time",
    files={
        "app/__init__.py": "",
        "app/work.py": _WORK,
        "tests/test_fast.py": _FAST,
        "tests/test_speed.py": _SLOW,
    },
    red=(
        *(f"tests/test_fast.py::test_work_is_fast[{turn}]" for turn in (1, 2, 3)),
        "tests/test_speed.py::test_a_hundred_are_fast",
        "tests/test_speed.py::test_the_helper_is_fast",
        "tests/test_speed.py::TestSpeed::test_each_is_fast",
    ),
    green=("tests/test_fast.py::test_the_work_is_right",),
    names=(),
    rules=("tim", "threshold"),
)
