import asyncio
import logging

import pytest

from cos.background import Background
from cos.events.correlation import correlation_id

NO_PAUSES = (0.0,)


async def test_every_job_runs_until_it_is_asked_to_stop() -> None:
    ended: list[str] = []
    both = asyncio.Barrier(3)

    async def first(stop: asyncio.Event) -> None:
        await both.wait()
        await stop.wait()
        ended.append(correlation_id())

    async def second(stop: asyncio.Event) -> None:
        await first(stop)

    async with Background({"first": first, "second": second}, grace=5):
        await both.wait()

        assert ended == []

    assert sorted(ended) == ["first", "second"]


async def test_a_job_that_fails_is_logged_and_started_again_and_the_others_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    starts: list[int] = []
    third = asyncio.Event()
    calm_stopped: list[bool] = []

    async def failing(stop: asyncio.Event) -> None:
        starts.append(len(starts))
        if len(starts) < 3:
            raise RuntimeError(f"start {len(starts)}")
        third.set()
        await stop.wait()

    async def calm(stop: asyncio.Event) -> None:
        await stop.wait()
        calm_stopped.append(True)

    with caplog.at_level(logging.ERROR):
        async with Background({"failing": failing, "calm": calm}, grace=5, pauses=NO_PAUSES):
            await asyncio.wait_for(third.wait(), 5)

    assert (len(starts), calm_stopped) == (3, [True])
    assert [record.getMessage() for record in caplog.records] == [
        "failing failed and is started again in 0 s"
    ] * 2


async def test_a_pause_ends_when_the_application_does() -> None:
    failed = asyncio.Event()
    starts: list[None] = []

    async def failing(stop: asyncio.Event) -> None:
        starts.append(None)
        failed.set()
        raise RuntimeError

    async with asyncio.timeout(30), Background({"failing": failing}, grace=5, pauses=(3_600.0,)):
        await failed.wait()

    assert len(starts) == 1


async def test_a_job_that_does_not_stop_is_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    cut_off: list[bool] = []
    started = asyncio.Event()

    async def stubborn(stop: asyncio.Event) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cut_off.append(stop.is_set())
            raise

    async with Background({"stubborn": stubborn}, grace=0.01):
        await started.wait()

    assert cut_off == [True]
    assert "cos stubborn did not stop within 0.01 s and is cut off" in caplog.text


async def test_a_job_that_returns_is_done() -> None:
    starts: list[None] = []
    done = asyncio.Event()

    async def short(stop: asyncio.Event) -> None:
        starts.append(None)
        done.set()

    async def waits_for_it(stop: asyncio.Event) -> None:
        await done.wait()

    async with Background({"short": short, "waits": waits_for_it}, grace=5, pauses=NO_PAUSES):
        await done.wait()

    assert len(starts) == 1


async def test_without_jobs_there_is_nothing_to_do() -> None:
    async with Background({}, grace=0) as background:
        assert background is not None
