"""What becomes of requests and events when a server or the way to it fails at the wrong moment."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from httpx import AsyncClient
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy.ext.asyncio import AsyncSession

from cos.app import create_app
from cos.events.publishing.breaker import Policy
from cos.events.publishing.guard import CircuitOpenError, Guard
from cos.events.relay import Round
from cos.settings import Settings, load
from testkit.clock import Clock
from testkit.faults.fault import Fault
from testkit.faults.faults import Faults
from tests.cos.asgi import client_of
from tests.cos.events.relays import eventually, firsts, module_in, relay_of, told, write
from tests.cos.factories import ModuleFactory

# Of a command to Redis that waits in vain; it is sent twice.
LIMIT = 0.1


@pytest.fixture
def settings(faults: Faults) -> Settings:
    """The settings of the environment, which leads through relays to both servers."""
    assert faults.redis.port != faults.postgres.port
    return load(Settings)


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[AsyncClient]:
    """A client of an application behind the relays."""
    async with client_of(create_app(settings), raise_app_exceptions=False) as running:
        yield running


async def struck(fault: Fault) -> None:
    """Return as soon as the fault struck."""

    async def once() -> bool:
        return fault.struck > 0

    await eventually(once)


async def test_events_whose_publication_is_not_confirmed_are_published_again_in_order(
    faults: Faults,
    settings: Settings,
    async_db_session: AsyncSession,
    async_redis_client: Redis,
) -> None:
    module = module_in(3)
    async with relay_of(settings, redis_timeout=LIMIT) as relay:
        await write(async_db_session, module)
        await relay.round()
        await write(async_db_session, module, 2, first=2)
        faults.redis.reply("EVALSHA").lost()
        done = await relay.round()
    seen = await told(async_redis_client, module)

    assert done == Round(published=2)
    assert seen == [1, 2, 3, 2, 3]
    assert firsts(seen) == [1, 2, 3]
    assert "request EVALSHA (retry 1)" in str(faults.log)


async def test_a_publication_that_redis_refuses_changes_nothing_and_comes_later(
    faults: Faults,
    settings: Settings,
    async_db_session: AsyncSession,
    async_redis_client: Redis,
    clock: Clock,
) -> None:
    module = module_in(3)
    async with relay_of(settings) as relay:
        await write(async_db_session, module)
        await relay.round()
        await write(async_db_session, module, first=2)
        with faults.redis.request("EVALSHA").answered("READONLY You can't write."):
            refused = await relay.round()
        unchanged = await told(async_redis_client, module)
        clock.advance(1, hands="monotonic")  # the circuit is open for a shorter time
        done = await relay.round()

    assert (refused, unchanged) == (Round(has_failed=True), [1])
    assert done == Round(published=1)
    assert await told(async_redis_client, module) == [1, 2]


async def test_a_half_open_circuit_sends_one_probe_and_opens_again_where_it_fails(
    faults: Faults, redis: Redis, clock: Clock
) -> None:
    policy = Policy(failures=1, cooldown=30, longest_cooldown=60)
    guard = Guard("redis", policy=policy, chance=lambda: 0.0)
    with faults.redis.request("PING").every().reset():
        with pytest.raises(RedisConnectionError):
            await guard.call(redis.ping)
        with pytest.raises(CircuitOpenError):
            await guard.call(redis.ping)
        clock.advance(31, hands="monotonic")
        probes = await asyncio.gather(
            *(guard.call(redis.ping) for _ in range(5)), return_exceptions=True
        )
    opened = guard.circuit
    clock.advance(61, hands="monotonic")
    answer = await guard.call(redis.ping)

    assert [type(each) for each in probes] == [RedisConnectionError, *[CircuitOpenError] * 4]
    assert (opened.state, opened.opened) == ("open", 2)
    assert (answer, guard.circuit.state) == (True, "closed")


async def test_a_commit_that_hangs_holds_up_nobody_else(
    faults: Faults, client: AsyncClient
) -> None:
    await client.get("/cc/modules")
    with faults.postgres.request("COMMIT").dropped() as fault:
        hanging = asyncio.create_task(client.post("/cc/modules", json=ModuleFactory.payload()))
        await struck(fault)
    other = await client.get("/cc/modules")
    waited = not hanging.done()
    faults.postgres.reset().end()
    answer = await hanging

    assert (other.status_code, waited) == (200, True)
    assert answer.status_code == 503


async def test_a_commit_that_is_slow_is_a_commit(faults: Faults, client: AsyncClient) -> None:
    await client.get("/cc/modules")
    with faults.postgres.request("COMMIT").delayed(0.02):
        made = await client.post("/cc/modules", json=ModuleFactory.payload())
    found = await client.get(made.headers["Location"])

    assert (made.status_code, found.json()["id"]) == (201, made.json()["id"])


async def test_a_module_whose_commit_was_not_confirmed_is_there_once(
    faults: Faults,
    client: AsyncClient,
    async_db_session: AsyncSession,
) -> None:
    new = ModuleFactory.payload()
    await client.get("/cc/modules")
    with faults.postgres.reply("COMMIT").reset():
        unknown = await client.post("/cc/modules", json=new)
    again = await client.post("/cc/modules", json=new)
    events = (await client.get("/cc/events")).json()["items"]

    assert (unknown.status_code, "Retry-After" in unknown.headers) == (503, True)
    assert again.status_code == 409
    assert [event["type"] for event in events] == ["module.registered"]


async def test_requests_go_on_while_redis_says_nothing(
    faults: Faults, settings: Settings, client: AsyncClient
) -> None:
    with faults.redis.black_hole():
        made = await client.post("/cc/modules", json=ModuleFactory.payload())
        async with relay_of(settings, redis_timeout=LIMIT) as relay:
            done = await relay.round()

    assert made.status_code == 201
    assert done == Round(has_failed=True)


async def test_a_client_without_a_limit_waits_until_redis_speaks_again(faults: Faults) -> None:
    async with Redis.from_url(faults.redis.url, socket_timeout=None) as patient:
        await patient.ping()
        hole = faults.redis.black_hole()
        asked = asyncio.ensure_future(patient.incr("count"))
        await struck(hole)
        waits = not asked.done()
        hole.end()
        answer = await asked

    assert (waits, answer) == (True, 1)
    assert "retry" not in str(faults.log)
