"""The fixture in suites of its own: what it puts back, what it fails, beside which plugins."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

import pytest

from tests.support.suites import WITHOUT, Suite

if TYPE_CHECKING:
    from pathlib import Path

_REAL = """
    import asyncio, datetime, time
    from time import monotonic

    def is_real():
        wall = abs(time.time() - time.clock_gettime(time.CLOCK_REALTIME)) < 5
        mono = abs(monotonic() - time.clock_gettime(time.CLOCK_MONOTONIC)) < 5
        loop = asyncio.new_event_loop()
        moved = abs(loop.time() - time.clock_gettime(time.CLOCK_MONOTONIC))
        loop.close()
        return wall and mono and moved < 5 and time.monotonic.__self__ is time
"""


def _suite(folder: Path, text: str) -> Suite:
    return Suite(folder, test_it=textwrap.dedent(_REAL) + textwrap.dedent(text))


_ENDS = ("assert False", "raise SystemExit(3)", "raise KeyError", "pytest.skip()", "pytest.xfail()")


def test_everything_is_put_back_however_the_test_ends(tmp_path: Path) -> None:
    tests = "".join(
        f"""
        def test_ends_{number}(clock):
            asyncio.run(freeze(clock, {end!r}))

        def test_next_{number}():
            assert is_real()
        """
        for number, end in enumerate(_ENDS)
    )
    suite = _suite(
        tmp_path,
        f"""
        import pytest

        async def freeze(clock, end):
            clock.freeze("2030-01-01")
            clock.advance(3600)
            exec(end)
        {tests}
        """,
    )

    outcomes = suite.run().tests
    after = {name: end for name, end in outcomes.items() if "test_next" in name}
    assert list(after.values()) == ["passed"] * len(_ENDS)


def test_the_fixture_says_how_to_install_what_it_needs(tmp_path: Path) -> None:
    suite = _suite(tmp_path, "def test_it(clock): pass")
    suite.write("sitecustomize.py", WITHOUT.format(module="time_machine"))
    outcome = suite.run()

    outcome.check(code=1, error=1)
    assert 'pip install "cos-testkit[clock]"' in outcome.text


_READING = """
    def test_named_and_unread(clock):
        clock.advance(61, hands="wall")
        monotonic()

    def test_together_and_unread(clock):
        clock.advance(61)

    def test_of_two_named_one_unread(clock):
        clock.advance(61, hands=("wall", "monotonic"))
        monotonic()

    def test_read_before_only(clock):
        monotonic()
        clock.advance(61, hands="monotonic")

    def test_named_and_read(clock):
        clock.advance(61, hands="wall")
        datetime.datetime.now()

    def test_together_and_one_read(clock):
        clock.advance(61)
        monotonic()

    def test_a_timer_reads(clock):
        async def main():
            task = asyncio.create_task(asyncio.sleep(60))
            await asyncio.sleep(0)
            clock.advance(61, hands="loop")
            await task
        asyncio.run(main())

    def test_frozen_only(clock):
        clock.freeze("2030-01-01")

    def test_failed(clock):
        clock.advance(61)
        assert False
"""


def test_moving_a_hand_that_nobody_reads_fails_the_test(tmp_path: Path) -> None:
    outcome = _suite(tmp_path, _READING).run()

    unread = [name for name, end in outcome.tests.items() if end == "error"]
    assert sorted(name.rpartition("::")[2] for name in unread) == [
        "test_named_and_unread",
        "test_of_two_named_one_unread",
        "test_read_before_only",
        "test_together_and_unread",
    ], outcome.text
    assert "clock.advance(61) moved hands that nobody read afterwards" in outcome.text
    assert list(outcome.tests.values()).count("failed") == 1
    assert len(outcome.tests) == 9


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plugin", "marker"),
    [("asyncio_mode = auto", ""), ("", "@pytest.mark.anyio")],
    ids=["pytest-asyncio", "anyio"],
)
@pytest.mark.parametrize("processes", ["0", "2"])
def test_it_works_beside_the_plugins_for_coroutines(
    tmp_path: Path, plugin: str, marker: str, processes: str
) -> None:
    suite = _suite(
        tmp_path,
        f"""
        import pytest

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.mark.parametrize("number", range(4))
        {marker}
        async def test_frozen(clock, number):
            clock.freeze("2030-01-01T00:00:00+00:00")
            await asyncio.sleep(3600)
            assert time.strftime("%Y %H", time.gmtime()) == "2030 01"

        @pytest.mark.parametrize("number", range(4))
        {marker}
        async def test_real(number):
            assert is_real()
        """,
    )
    suite.write("pytest.ini", f"[pytest]\n{plugin}\n")

    suite.run("-n", processes).check(passed=8)


def test_durations_and_the_budget_are_real(tmp_path: Path) -> None:
    suite = _suite(
        tmp_path,
        """
        def test_it(clock):
            clock.advance(7200)
            time.perf_counter(), time.time()
        """,
    )
    suite.configure("budget = 30")
    outcome = suite.run("--durations=0", "-vv")

    outcome.check(passed=1)
    seconds = re.findall(r"^([\d.]+)s (?:call|setup|teardown)", outcome.text, re.MULTILINE)
    assert seconds
    assert max(map(float, seconds)) < 60
