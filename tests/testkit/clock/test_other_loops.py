"""Loops that keep their time elsewhere are refused with a message; the other hands move there."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
import trio
import uvloop

from testkit.core.messages import TestkitError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from testkit.clock import Clock


async def _freezes(clock: Clock) -> None:
    clock.freeze()


async def _advances(clock: Clock) -> None:
    clock.advance(61)


async def _runs_for(clock: Clock) -> None:
    await clock.run_for(61)


CALLS = (_freezes, _advances, _runs_for)


@pytest.mark.parametrize("call", CALLS)
def test_uvloop_is_refused(
    clock: Clock, call: Callable[[Clock], Coroutine[object, object, None]]
) -> None:
    with (
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        pytest.raises(TestkitError, match=r"TK660: .* where uvloop runs the event loop"),
    ):
        runner.run(call(clock))


@pytest.mark.parametrize("call", CALLS)
def test_trio_is_refused(
    clock: Clock, call: Callable[[Clock], Coroutine[object, object, None]]
) -> None:
    with pytest.raises(TestkitError, match=r"TK660: .* where trio runs the event loop"):
        trio.run(call, clock)


def test_uvloop_does_not_start_while_loop_time_stands(clock: Clock) -> None:
    loop = uvloop.new_event_loop()
    clock.freeze()
    with pytest.raises(TestkitError, match="TK660"):
        loop.run_forever()
    loop.close()


def test_trio_does_not_start_while_loop_time_stands(clock: Clock) -> None:
    clock.freeze()
    with pytest.raises(TestkitError, match="TK660"):
        trio.run(trio.lowlevel.checkpoint)


def test_the_other_hands_move_under_uvloop(clock: Clock) -> None:
    async def move() -> float:
        before = time.monotonic()
        clock.advance(61, hands=("wall", "monotonic"))
        await asyncio.sleep(0.001)
        return time.monotonic() - before + time.time() * 0

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        moved = runner.run(move())

    assert moved == pytest.approx(61, abs=5)


def test_the_other_hands_move_under_trio(clock: Clock) -> None:
    async def move() -> float:
        before = time.time()
        clock.advance(61, hands="wall")
        await trio.sleep(0.001)
        return time.time() - before

    assert trio.run(move) == pytest.approx(61, abs=5)
