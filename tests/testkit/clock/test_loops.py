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


async def test_a_clock_that_stands_does_so_after_running_for_a_time(clock: Clock) -> None:
    clock.freeze("2030-01-01T00:00:00+00:00")
    times: list[float] = []
    task = asyncio.create_task(_tick(times, 10))
    await asyncio.sleep(0)
    await clock.run_for(dt.timedelta(minutes=1))
    task.cancel()

    assert len(times) == 6
    assert time.time() % 86_400 == pytest.approx(60, abs=1e-6)


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


async def test_a_jump_while_the_clock_stands_fires_a_periodic_task_once(clock: Clock) -> None:
    clock.freeze()
    times: list[float] = []
    task = asyncio.create_task(_tick(times, 3600))
    await asyncio.sleep(0)

    clock.advance(86_400)
    for _ in range(4):
        await asyncio.sleep(0)
    task.cancel()

    assert len(times) == 1


async def test_a_block_that_freezes_leaves_the_outer_one_standing(clock: Clock) -> None:
    with clock.freeze("2030-01-01T00:00:00+00:00"):
        with clock.freeze(hands="wall"):
            pass
        await asyncio.sleep(60)

        assert time.time() % 86_400 == 60
    first = time.monotonic_ns()
    assert time.monotonic_ns() > first


async def test_loop_time_alone_stands_beside_real_monotonic_time(clock: Clock) -> None:
    clock.freeze(hands="loop")
    before = time.monotonic()

    await asyncio.sleep(3600)

    assert time.monotonic() - before < 60


async def test_monotonic_time_alone_stands_beside_real_sleeps(clock: Clock) -> None:
    clock.freeze(hands=("wall", "monotonic"))
    before = time.monotonic()

    await asyncio.sleep(0.001)

    assert time.monotonic() == before


async def test_handles_that_were_cancelled_are_not_jumped_to(clock: Clock) -> None:
    clock.freeze()
    loop = asyncio.get_running_loop()
    began = loop.time()
    for seconds in range(1, 10):
        loop.call_later(seconds, print).cancel()
    await asyncio.sleep(100)

    assert loop.time() - began == pytest.approx(100, abs=1e-6)


async def test_what_timers_set_off_is_done_after_running_for_a_time(clock: Clock) -> None:
    done: list[float] = []

    async def late() -> None:
        await asyncio.sleep(10)
        for _ in range(50):
            await asyncio.sleep(0)
        done.append(await asyncio.to_thread(lambda: 1.0))

    task = asyncio.create_task(late())
    await asyncio.sleep(0)
    await clock.run_for(10)

    assert done == [1.0]
    await task


def test_timers_of_a_loop_that_lives_on_keep_what_they_had_left(clock: Clock) -> None:
    loop = asyncio.new_event_loop()
    loop.run_until_complete(asyncio.sleep(0))
    clock.advance(3600, hands="loop")
    timer = loop.call_later(60, print)
    clock.end()
    left = timer.when() - loop.time()
    loop.close()
    clock.begin()

    assert left == pytest.approx(60, abs=5)
