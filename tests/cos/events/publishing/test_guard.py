import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis import exceptions
from redis.asyncio import Redis

from cos.db.redis_client import service_redis
from cos.events.publishing.breaker import Policy
from cos.events.publishing.guard import CircuitOpenError, Guard, is_failure
from cos.settings import Settings

POLICY = Policy(calls=4, failures=2, cooldown=8, longest_cooldown=60, probe_deadline=5)


class Hand:
    """A clock that a test moves by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def guard(clock: Hand) -> Guard:
    return Guard("redis", policy=POLICY, clock=clock, chance=lambda: 0.0)


def _raising(error: BaseException) -> Callable[[], Awaitable[None]]:
    async def call() -> None:
        raise error

    return call


async def _fine() -> str:
    return "fine"


async def _open(guard: Guard) -> None:
    for _ in range(POLICY.failures):
        with pytest.raises(exceptions.ConnectionError):
            await guard.call(_raising(exceptions.ConnectionError("refused")))


async def test_a_call_gives_what_it_gives(guard: Guard) -> None:
    assert await guard.call(_fine) == "fine"


async def test_a_redis_that_refuses_opens_it_and_is_left_alone(
    guard: Guard, closed_port: int
) -> None:
    redis = service_redis(
        Settings.model_validate({"redis_url": f"redis://127.0.0.1:{closed_port}"})
    )
    for _ in range(POLICY.failures):
        with pytest.raises(exceptions.ConnectionError):
            await guard.call(redis.ping)
    with pytest.raises(CircuitOpenError, match=r"another 8\.0 s") as caught:
        await guard.call(redis.ping)
    await redis.aclose()

    assert caught.value.retry_in == 8.0
    assert (guard.circuit.state, guard.circuit.failures, guard.circuit.rejected) == ("open", 2, 1)


async def test_while_it_is_open_nothing_is_called(guard: Guard) -> None:
    await _open(guard)
    calls = []

    async def call() -> None:
        calls.append(1)

    with pytest.raises(CircuitOpenError):
        await guard.call(call)

    assert calls == []


async def test_a_probe_closes_it_again(guard: Guard, clock: Hand) -> None:
    await _open(guard)
    clock.now = 8.0
    await guard.call(_fine)

    assert (guard.circuit.state, guard.circuit.seconds, guard.circuit.opened) == ("closed", 0.0, 1)


@pytest.mark.parametrize(
    ("error", "fails"),
    [
        (exceptions.ConnectionError("gone"), True),
        (exceptions.TimeoutError("silent"), True),
        (exceptions.BusyLoadingError("loading"), True),
        (exceptions.AuthenticationError("wrong"), True),
        (exceptions.ReadOnlyError("a replica"), True),
        (exceptions.OutOfMemoryError("full"), True),
        (exceptions.ResponseError("MISCONF Errors writing to the disk"), True),
        (exceptions.ResponseError("NOREPLICAS Not enough good replicas"), True),
        (exceptions.ResponseError("BUSY Redis is busy running a script"), True),
        (TimeoutError(), True),
        (ConnectionResetError(), True),
        (exceptions.ResponseError("WRONGTYPE of key"), False),
        (exceptions.ResponseError("BUSYGROUP exists"), False),
        (exceptions.NoPermissionError("not yours"), False),
        (ValueError("ours"), False),
    ],
)
def test_only_what_everybody_would_meet_is_a_failure(error: Exception, *, fails: bool) -> None:
    assert is_failure(error) is fails


async def test_an_answer_of_the_real_server_to_a_wrong_command_is_no_failure(
    guard: Guard, async_redis_client: Redis
) -> None:
    await async_redis_client.set("text", "x")
    for _ in range(10):
        with pytest.raises(exceptions.ResponseError, match="WRONGTYPE"):
            await guard.call(lambda: async_redis_client.xlen("text"))

    assert (guard.circuit.state, guard.circuit.failures) == ("closed", 0)


async def test_a_time_limit_within_the_call_is_a_failure(guard: Guard) -> None:
    async def slow() -> None:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    for _ in range(POLICY.failures):
        with pytest.raises(TimeoutError):
            await guard.call(slow)

    assert guard.circuit.state == "open"


async def test_a_cancelled_call_is_neither_and_its_probe_is_free_again(
    guard: Guard, clock: Hand
) -> None:
    await _open(guard)
    clock.now = 8.0
    begun = asyncio.Event()

    async def hang() -> None:
        begun.set()
        await asyncio.Event().wait()

    probe = asyncio.create_task(guard.call(hang))
    await begun.wait()
    with pytest.raises(CircuitOpenError):
        await guard.call(_fine)
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe

    assert guard.circuit.failures == POLICY.failures
    assert await guard.call(_fine) == "fine"


async def test_of_many_tasks_one_is_the_probe(guard: Guard, clock: Hand) -> None:
    await _open(guard)
    clock.now = 8.0
    gate = asyncio.Event()

    async def wait() -> None:
        await gate.wait()

    tasks = [asyncio.create_task(guard.call(wait)) for _ in range(20)]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    gate.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)

    assert len(pending) == 1
    assert len(done) == 19
    assert sum(isinstance(outcome, CircuitOpenError) for outcome in outcomes) == 19
    assert guard.circuit.state == "closed"


async def test_calls_that_began_before_it_opened_do_not_close_it(guard: Guard) -> None:
    gate = asyncio.Event()
    early = asyncio.create_task(guard.call(gate.wait))
    await asyncio.wait([asyncio.create_task(_open(guard))])
    gate.set()
    await early

    assert guard.circuit.state == "open"


async def test_each_change_is_logged_once_with_its_reason(
    guard: Guard, clock: Hand, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="cos.events.publishing.guard")
    await _open(guard)
    for _ in range(3):
        with pytest.raises(CircuitOpenError):
            await guard.call(_fine)
    clock.now = 8.0
    await guard.call(_fine)

    assert [record.getMessage() for record in caplog.records] == [
        "redis: open for 8.0 s, too many failures (2 of 2); the last one: ConnectionError: refused",
        "redis: half-open, cooled down",
        "redis: closed, probe succeeded",
    ]


async def test_a_guard_has_a_clock_and_chance_of_its_own_by_default() -> None:
    guard = Guard("redis", policy=Policy(failures=1))
    with pytest.raises(OSError, match="unplugged"):
        await guard.call(_raising(OSError("unplugged")))
    circuit = guard.circuit

    assert circuit.state == "open"
    assert 0 < circuit.retry_in <= 1


async def test_every_guard_stands_alone(guard: Guard) -> None:
    await _open(guard)
    other: Any = Guard("other")

    assert await other.call(_fine) == "fine"
