"""Blocks of a clock that stands, and times that pass, within each other and at once."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from testkit.clock import Clock


async def test_two_times_pass_at_once(clock: Clock) -> None:
    loop = asyncio.get_running_loop()
    before = loop.time()

    async with asyncio.timeout(7200):
        await asyncio.gather(clock.run_for(1), clock.run_for(3600), clock.run_for(60))

    assert loop.time() - before == pytest.approx(3600, abs=5)
    assert time.monotonic() < time.monotonic()  # the hands go on


async def test_a_clock_that_is_stopped_while_a_time_passes_stands_after_it(clock: Clock) -> None:
    asyncio.get_running_loop().call_later(30, clock.freeze)

    await clock.run_for(60)

    assert len({time.monotonic() for _ in range(1000)}) == 1


async def test_a_block_that_ends_while_a_time_passes_stops_it_not(clock: Clock) -> None:
    async def block() -> None:
        with clock.freeze():
            await asyncio.sleep(10)

    loop = asyncio.get_running_loop()
    before = loop.time()
    task = asyncio.create_task(block())
    await asyncio.gather(clock.run_for(3600), task)

    assert loop.time() - before == pytest.approx(3600, abs=5)
    assert time.monotonic() < time.monotonic()  # the hands go on


async def test_a_block_in_another_gives_back_its_patience(clock: Clock) -> None:
    clock.freeze(patience=0.05)
    with clock.freeze(patience=30):
        pass
    began = time.clock_gettime(time.CLOCK_MONOTONIC)

    here, there = socket.socketpair()
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(here, done.set)  # in flight for ever
    loop.call_later(3600, done.set)
    await done.wait()
    loop.remove_reader(here)
    here.close()
    there.close()

    assert time.clock_gettime(time.CLOCK_MONOTONIC) - began < 5


async def test_no_time_can_pass_that_is_over(clock: Clock) -> None:
    with pytest.raises(ValueError, match="moved back"):
        await clock.run_for(-1)
