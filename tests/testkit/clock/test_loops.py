"""Event loops under a clock that stands or jumps: timers in order, without waiting."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from testkit.clock import Clock


async def _tick(times: list[float], seconds: float = 1) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(seconds)
        times.append(loop.time())


async def test_a_sleep_takes_no_time_while_the_clock_stands(clock: Clock) -> None:
    clock.freeze("2030-01-01T00:00:00+00:00")
    monotonic, loop = time.monotonic(), asyncio.get_running_loop().time()

    await asyncio.sleep(3600)

    assert dt.datetime(2030, 1, 1, 1, tzinfo=dt.UTC) == dt.datetime.now(dt.UTC)
    assert time.monotonic() - monotonic == pytest.approx(3600, abs=1e-6)
    assert asyncio.get_running_loop().time() - loop == pytest.approx(3600, abs=1e-6)


async def test_timers_complete_in_order_while_the_clock_stands(clock: Clock) -> None:
    clock.freeze()
    done: list[int] = []

    async def wait(seconds: int) -> None:
        await asyncio.sleep(seconds)
        done.append(seconds)

    async with asyncio.TaskGroup() as group:
        for seconds in (300, 10, 86400, 1):
            group.create_task(wait(seconds))

    assert done == [1, 10, 300, 86400]


async def test_a_jump_fires_a_periodic_task_once(clock: Clock) -> None:
    times: list[float] = []
    task = asyncio.create_task(_tick(times))
    await asyncio.sleep(0)

    clock.advance(61)
    for _ in range(4):
        await asyncio.sleep(0)
    task.cancel()

    assert len(times) == 1


async def test_running_for_a_time_visits_every_timer(clock: Clock) -> None:
    times: list[float] = []
    task = asyncio.create_task(_tick(times))
    await asyncio.sleep(0)
    began = asyncio.get_running_loop().time()

    await clock.run_for(61)
    task.cancel()

    assert len(times) == 61
    assert times == sorted(times)
    assert times[-1] - began == pytest.approx(61, abs=0.5)


async def test_timeouts_follow_the_clock(clock: Clock) -> None:
    clock.freeze()
    never = asyncio.get_running_loop().create_future()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(600):
            await never
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), 600)


async def test_after_running_for_a_time_the_clock_goes_on(clock: Clock) -> None:
    await clock.run_for(5)
    first = time.monotonic_ns()

    assert time.monotonic_ns() > first
