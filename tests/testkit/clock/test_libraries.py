"""Which hand breakers, retries and caches read: the table in docs/clock.md, tried out."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cachetools
import cachetools.func
import circuitbreaker
import purgatory
import pybreaker
import pytest
import tenacity
from purgatory.domain.model import OpenedState

from testkit.clock import HANDS, Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from testkit.clock import HandName

_SECONDS: Final = 60
DOCUMENT: Final = Path(__file__).parents[3] / "docs" / "clock.md"


@pytest.fixture
def own_clock() -> Iterator[Clock]:
    """A clock that does not mind hands that nobody reads."""
    clock = Clock()
    clock.begin()
    yield clock
    clock.end()


def _fails() -> None:
    raise ConnectionError


def _pybreaker(move: Callable[[], None]) -> bool:
    breaker = pybreaker.CircuitBreaker(fail_max=1, reset_timeout=_SECONDS)
    with pytest.raises(pybreaker.CircuitBreakerError):
        breaker.call(_fails)
    move()
    try:
        breaker.call(lambda: None)
    except pybreaker.CircuitBreakerError:
        return False
    return True


def _circuitbreaker(move: Callable[[], None]) -> bool:
    breaker = circuitbreaker.CircuitBreaker(failure_threshold=1, recovery_timeout=_SECONDS)
    with pytest.raises(ConnectionError):
        breaker.decorate(_fails)()
    move()
    return bool(breaker.state == "half_open")


def _purgatory(move: Callable[[], None]) -> bool:
    breaker = purgatory.SyncCircuitBreakerFactory(
        default_threshold=1, default_ttl=_SECONDS
    ).get_breaker("it")
    with pytest.raises(ConnectionError), breaker:
        _fails()
    move()
    try:
        with breaker:
            pass
    except OpenedState:
        return False
    return True


def _purgatory_async(move: Callable[[], None]) -> bool:
    async def run() -> bool:
        factory = purgatory.AsyncCircuitBreakerFactory(default_threshold=1, default_ttl=_SECONDS)
        breaker = await factory.get_breaker("it")
        with pytest.raises(ConnectionError):
            async with breaker:
                _fails()
        move()
        try:
            async with breaker:
                pass
        except OpenedState:
            return False
        return True

    return asyncio.run(run())


def _tenacity_stop(move: Callable[[], None]) -> bool:
    attempts = 0

    def fails() -> None:
        nonlocal attempts
        attempts += 1
        move()
        _fails()

    stop = tenacity.stop_any(tenacity.stop_after_delay(_SECONDS), tenacity.stop_after_attempt(3))
    with pytest.raises(tenacity.RetryError):
        tenacity.Retrying(stop=stop)(fails)
    return attempts < 3


def _tenacity_wait(move: Callable[[], None]) -> bool:
    """Whether the wait between attempts of a coroutine is over when the hand was moved."""

    async def run() -> bool:
        done: list[str] = []

        async def fails() -> None:
            done.append("attempt")
            raise ConnectionError

        retrying = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(2), wait=tenacity.wait_fixed(_SECONDS)
        )
        task: asyncio.Task[None] = asyncio.ensure_future(retrying(fails))
        for _ in range(5):
            await asyncio.sleep(0)
        move()
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return len(done) == 2

    return asyncio.run(run())


def _cachetools(move: Callable[[], None]) -> bool:
    cache: cachetools.TTLCache[str, int] = cachetools.TTLCache(10, _SECONDS)
    cache["key"] = 1
    move()
    return "key" not in cache


def _cachetools_function(move: Callable[[], None]) -> bool:
    calls: list[int] = []
    cached = cachetools.func.ttl_cache(ttl=_SECONDS)(lambda: calls.append(1))
    cached()
    move()
    cached()
    return len(calls) == 2


#: What the document says, and what tries it: each answers whether it noticed the move.
LIBRARIES: Final[dict[str, tuple[str, Callable[[Callable[[], None]], bool]]]] = {
    "pybreaker": ("wall", _pybreaker),
    "circuitbreaker": ("monotonic", _circuitbreaker),
    "purgatory": ("wall", _purgatory),
    "purgatory, async": ("wall", _purgatory_async),
    "tenacity, `stop_after_delay`": ("monotonic", _tenacity_stop),
    "tenacity, waits of coroutines": ("loop", _tenacity_wait),
    "cachetools, `TTLCache`": ("monotonic", _cachetools),
    "cachetools, `ttl_cache`": ("monotonic", _cachetools_function),
}


@pytest.mark.parametrize("name", LIBRARIES)
@pytest.mark.parametrize("moved", HANDS)
def test_a_library_notices_its_own_hand_and_no_other(
    own_clock: Clock, name: str, moved: HandName
) -> None:
    reads, tries = LIBRARIES[name]

    noticed = tries(lambda: own_clock.advance(_SECONDS + 1, hands=moved))

    assert noticed == (moved == reads)


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_library_notices_all_hands_together(own_clock: Clock, name: str) -> None:
    assert LIBRARIES[name][1](lambda: own_clock.advance(_SECONDS + 1))


def test_retries_that_sleep_in_threads_wait_really(own_clock: Clock) -> None:
    own_clock.freeze()
    began = time.clock_gettime(time.CLOCK_MONOTONIC)
    with pytest.raises(tenacity.RetryError):
        tenacity.Retrying(stop=tenacity.stop_after_attempt(2), wait=tenacity.wait_fixed(0.01))(
            _fails
        )

    assert time.clock_gettime(time.CLOCK_MONOTONIC) - began >= 0.01


def test_the_document_has_this_table() -> None:
    table = DOCUMENT.read_text("utf-8").partition("\n## Breakers, retries and caches\n")[2]
    rows = [line for line in table.partition("\n## ")[0].splitlines() if line.startswith("|")][2:]

    assert rows == [f"| {name} | `{reads}` |" for name, (reads, _) in LIBRARIES.items()]
