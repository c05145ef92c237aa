"""anyio's asyncio backend under the clock."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest

if TYPE_CHECKING:
    from testkit.clock import Clock


async def test_its_timeouts_follow_the_clock(clock: Clock) -> None:
    clock.freeze()
    began = anyio.current_time()

    with pytest.raises(TimeoutError), anyio.fail_after(600):
        await anyio.sleep_forever()
    with anyio.move_on_after(600) as scope:
        await anyio.sleep(3600)

    assert scope.cancelled_caught
    assert anyio.current_time() - began == pytest.approx(1200, abs=1)


async def test_a_worker_thread_is_waited_for(clock: Clock) -> None:
    clock.freeze()
    gate = threading.Event()

    with anyio.fail_after(3):
        assert await anyio.to_thread.run_sync(gate.wait, 0.05) is False
    with anyio.fail_after(3):
        assert await anyio.to_thread.run_sync(gate.wait, 0.05) is False


async def test_a_group_of_tasks_completes_in_order(clock: Clock) -> None:
    clock.freeze()
    done: list[int] = []

    async def wait(seconds: int) -> None:
        await anyio.sleep(seconds)
        done.append(seconds)

    async with anyio.create_task_group() as group:
        for seconds in (60, 1, 3600):
            group.start_soon(wait, seconds)

    assert done == [1, 60, 3600]


async def test_streams_answer_within_a_timeout(clock: Clock) -> None:
    async def echo(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            async for data in stream:
                await stream.send(data)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    clock.freeze()
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, echo)
        async with await anyio.connect_tcp("127.0.0.1", port) as client:
            for _ in range(10):
                await client.send(b"ping")
                with anyio.fail_after(1):
                    assert await client.receive() == b"ping"
                await anyio.sleep(60)
        group.cancel_scope.cancel()


def test_a_portal_follows_the_clock(clock: Clock) -> None:
    clock.freeze()
    began = time.monotonic()
    with anyio.from_thread.start_blocking_portal() as portal:
        portal.call(anyio.sleep, 3600)

    assert time.monotonic() - began == pytest.approx(3600, abs=1)
