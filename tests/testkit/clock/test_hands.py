"""Each hand by itself and together, for whoever holds which name of it."""

from __future__ import annotations

import asyncio
import datetime as dt
import pickle
import queue
import subprocess
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor, wait
from time import monotonic, monotonic_ns, perf_counter, perf_counter_ns
from typing import TYPE_CHECKING

import pytest
import time_machine

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.clock import Clock


class _Cache:
    """Keeps its clock as a default argument, as cachetools does."""

    def __init__(self, timer: Callable[[], float] = time.monotonic) -> None:
        self.timer = timer


def _real() -> float:
    return time.clock_gettime(time.CLOCK_MONOTONIC)


def test_all_hands_move_together(clock: Clock) -> None:
    wall, mono, perf = time.time(), monotonic(), perf_counter()

    clock.advance(dt.timedelta(hours=1))

    assert [time.time() - wall, monotonic() - mono, perf_counter() - perf] == pytest.approx(
        [3600] * 3, abs=5
    )


@pytest.mark.parametrize("hand", ["wall", "monotonic"])
def test_a_hand_moves_by_itself(clock: Clock, hand: str) -> None:
    read = {"wall": time.time, "monotonic": monotonic}
    before = {name: call() for name, call in read.items()}

    clock.advance(3600, hands=hand)  # type: ignore[arg-type] # the parameters are its names
    moved = {name: round((call() - before[name]) / 3600) for name, call in read.items()}

    assert moved == {name: int(name == hand) for name in read}


def test_loop_time_moves_by_itself(clock: Clock) -> None:
    loop = asyncio.new_event_loop()
    before, mono = loop.time(), monotonic()

    clock.advance(3600, hands="loop")
    after = loop.time()
    loop.close()

    assert after - before == pytest.approx(3600, abs=5)
    assert monotonic() - mono < 5


def test_names_imported_early_and_kept_clocks_stand(clock: Clock) -> None:
    cache = _Cache()
    clock.freeze()

    values = [
        {call() for _ in range(1000)}
        for call in (monotonic, monotonic_ns, perf_counter, perf_counter_ns, cache.timer, time.time)
    ]

    assert [len(seen) for seen in values] == [1] * 6


def test_a_frozen_clock_starts_at_the_instant_given(clock: Clock) -> None:
    with clock.freeze("2030-02-03T04:05:06+00:00"):
        frozen = dt.datetime.now(dt.UTC)
    thawed = dt.datetime.now(dt.UTC)

    assert frozen == dt.datetime(2030, 2, 3, 4, 5, 6, tzinfo=dt.UTC)
    assert frozen < thawed < frozen + dt.timedelta(seconds=5)


def test_only_wall_time_goes_back(clock: Clock) -> None:
    clock.freeze("2030-01-01T00:00:00+00:00")
    uuid.uuid1()
    clock.advance(-60, hands="wall")

    assert dt.datetime.now(dt.UTC).isoformat() == "2029-12-31T23:59:00+00:00"
    with pytest.raises(ValueError, match="only the hand 'wall' can be moved back"):
        clock.advance(-1)


@pytest.mark.parametrize("hands", ["minute", (), ("wall", "hour")])
def test_hands_are_three(clock: Clock, hands: str) -> None:
    with pytest.raises(ValueError, match="hands are wall, monotonic, loop"):
        clock.freeze(hands=hands)  # type: ignore[arg-type] # what is asked
    with pytest.raises(ValueError, match="an instant is for the hand 'wall'"):
        clock.freeze("2030-01-01", hands="loop")


def test_waits_of_the_standard_library_keep_real_time(clock: Clock) -> None:
    clock.freeze()
    began = _real()

    with pytest.raises(queue.Empty):
        queue.Queue[int]().get(timeout=0.01)
    assert not threading.Event().wait(0.01)
    lock = threading.Lock()
    with lock:
        assert not lock.acquire(timeout=0.01)
    # It reads until its input ends, with the block.
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(timeout=0.01)
        child.kill()
    with ThreadPoolExecutor(1) as pool:
        gate = threading.Event()
        future = pool.submit(gate.wait, 5)
        assert wait([future], timeout=0.01).not_done == {future}
        with pytest.raises(TimeoutError):
            future.result(timeout=0.01)
        gate.set()

    assert _real() - began >= 0.05


def test_a_poll_with_a_deadline_ends_while_the_clock_stands(clock: Clock) -> None:
    clock.freeze()
    deadline, polls = monotonic() + 0.05, 0
    while monotonic() < deadline:
        time.sleep(0.01)
        polls += 1

    assert polls in {5, 6}  # as the floats round


def test_a_move_starts_from_where_time_machine_has_travelled(clock: Clock) -> None:
    with time_machine.travel("2031-05-05T00:00:00+00:00"):
        clock.advance(3600, hands="wall")

        assert dt.datetime.now(dt.UTC).isoformat().startswith("2031-05-05T01:00")
        clock.end()
        assert dt.datetime.now(dt.UTC).isoformat().startswith("2031-05-05T00:00")


def test_a_thread_that_does_nothing_but_sleep_takes_no_clock_along(clock: Clock) -> None:
    clock.freeze()
    before = monotonic()

    thread = threading.Thread(target=time.sleep, args=(0.02,))
    thread.start()
    thread.join()

    assert monotonic() == before


def test_threads_that_sleep_at_once_take_the_clock_along_once(clock: Clock) -> None:
    clock.freeze()
    before = monotonic()
    together = threading.Barrier(4)

    def sleep() -> None:
        together.wait(5)
        time.sleep(0.05)

    threads = [threading.Thread(target=sleep) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert monotonic() - before < 0.1  # testkit: ignore[TD622] that it ends in time is the subject


def test_a_clock_survives_pickle(clock: Clock) -> None:
    clock.freeze()

    assert pickle.loads(pickle.dumps(time.monotonic)) is monotonic


def test_an_exception_in_the_middle_leaves_the_real_functions(clock: Clock) -> None:
    clock.freeze()
    clock.end()
    first = monotonic(), time.time(), perf_counter()

    assert vars(time)["monotonic"].__self__ is time
    assert first < (monotonic(), time.time(), perf_counter())
    clock.begin()
