"""Times that floats cannot tell apart, and those that never come."""

from __future__ import annotations

import asyncio
import datetime as dt
import math
import threading
from typing import TYPE_CHECKING

import anyio
import pytest

if TYPE_CHECKING:
    from testkit.clock import Clock

_YEAR = 365 * 86_400


@pytest.mark.parametrize("years", [0.6, 1.1, 7, 80, 99.37])
async def test_years_pass_at_once(clock: Clock, years: float) -> None:
    clock.freeze("2030-01-01T00:00:00+00:00")

    await asyncio.sleep(years * _YEAR)
    passed = dt.datetime.now(dt.UTC) - dt.datetime(2030, 1, 1, tzinfo=dt.UTC)

    assert passed.total_seconds() == pytest.approx(years * _YEAR, abs=1e-5)


async def test_timers_go_on_after_a_jump_of_years(clock: Clock) -> None:
    clock.advance(dt.timedelta(days=365 * 80))
    clock.freeze()
    loop = asyncio.get_running_loop()
    before = loop.time()

    for _ in range(50):
        await asyncio.sleep(0.137)

    assert loop.time() - before == pytest.approx(50 * 0.137, abs=1e-4)


@pytest.mark.parametrize("far", [0, 2 * _YEAR, 90 * _YEAR])
async def test_a_deadline_of_anyio_comes_however_it_is_rounded(clock: Clock, far: float) -> None:
    clock.freeze()
    cancelled = 0

    for step in range(100):
        with anyio.move_on_after(far * (step == 0) + 0.1 + step * 0.0137) as scope:
            await anyio.sleep(400 * _YEAR)
        cancelled += scope.cancelled_caught

    assert cancelled == 100


@pytest.mark.parametrize("seconds", [math.inf, 1e15])
async def test_whoever_sleeps_for_ever_is_not_woken(clock: Clock, seconds: float) -> None:
    clock.freeze("2030-01-01T00:00:00+00:00")
    sleeper = asyncio.create_task(asyncio.sleep(seconds))
    happened = asyncio.Event()
    loop = asyncio.get_running_loop()

    await asyncio.sleep(3600)
    threading.Timer(0.02, loop.call_soon_threadsafe, [happened.set]).start()
    await happened.wait()
    slept = sleeper.done()
    sleeper.cancel()

    assert not slept
    assert dt.datetime.now(dt.UTC) == dt.datetime(2030, 1, 1, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize("seconds", [math.inf, 1e15])
async def test_running_for_a_time_passes_whoever_sleeps_for_ever(
    clock: Clock, seconds: float
) -> None:
    sleeper = asyncio.create_task(asyncio.sleep(seconds))
    await asyncio.sleep(0)

    await clock.run_for(61)
    slept = sleeper.done()
    sleeper.cancel()

    assert not slept


async def test_patience_may_be_endless(clock: Clock) -> None:
    clock.freeze(patience=math.inf)
    loop = asyncio.get_running_loop()
    before = loop.time()

    await asyncio.sleep(60)

    assert loop.time() - before == pytest.approx(60, abs=1e-6)
