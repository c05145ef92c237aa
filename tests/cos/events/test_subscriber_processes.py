"""Processes that are killed or frozen in the middle of handling."""

import asyncio
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from redis.asyncio import Redis

from testkit.core.naming import UniqueNames
from tests.cos.commands import ROOT
from tests.cos.events.subscribers import (
    Recorder,
    Sessions,
    handled,
    publish,
    running,
    store,
    until,
    until_true,
)

pytestmark = pytest.mark.slow


@contextmanager
def _consuming(group: str, seconds: float, held: int) -> Iterator[subprocess.Popen[str]]:
    """Run a consumer in a process of its own; killed at the end."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.cos.events.consuming", group, str(seconds), str(held)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()
            with suppress(ValueError):
                process.communicate()


async def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return await asyncio.to_thread(process.stdout.readline)


async def test_what_a_killed_process_had_in_hand_is_handled_once_by_the_others(
    sessions: Sessions, redis: Redis, unique: UniqueNames
) -> None:
    modules, group = [uuid.uuid4() for _ in range(4)], unique("group")
    async with running(Recorder(sessions, redis, group)):
        pass  # The group begins here.
    survivor = Recorder(sessions, redis, group)
    tried: list[str] = []
    for module in modules:
        await publish(redis, await store(sessions, module, 1, 2, 3, 4))
    for held in (2, 3):
        with _consuming(group, 20, held) as process:
            while not tried or not tried[-1].endswith(f" {held}\n"):
                tried.append(await _line(process))
            process.send_signal(signal.SIGKILL)
    async with running(survivor):

        async def all_is_done() -> bool:
            done = [await handled(sessions, group, module) for module in modules]
            return done == [[1, 2, 3, 4]] * 4

        await until(all_is_done)

    # What the two tried and did not finish was tried again: at least once outside, once inside.
    assert survivor.facts.handled < 16 < survivor.facts.handled + len(tried)


async def test_a_frozen_process_loses_its_module_and_does_nothing_twice_when_it_wakes_up(
    sessions: Sessions, redis: Redis, unique: UniqueNames
) -> None:
    module, group = uuid.uuid4(), unique("group")
    async with running(Recorder(sessions, redis, group)):
        pass
    with _consuming(group, 0.5, 1) as frozen:
        await publish(redis, await store(sessions, module, 1, 2))
        await _line(frozen)
        frozen.send_signal(signal.SIGSTOP)
        other = Recorder(sessions, redis, group)
        async with running(other):
            await until_true(lambda: other.facts.handled == 2)
            frozen.send_signal(signal.SIGCONT)
            # Only it is left for the third: that it tries this shows that it came past what it held.
        await publish(redis, await store(sessions, module, 3))
        last = await _line(frozen)

        async def three_are_done() -> bool:
            return await handled(sessions, group, module) == [1, 2, 3]

        await until(three_are_done)

    assert last == f"{module} 3\n"
    assert (other.facts.handled, other.facts.retried, other.facts.dead) == (2, 0, 0)
