import time

import pytest
from redis import Redis as SyncRedis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from cos.db.redis_client import service_redis
from cos.settings import Settings


def _elsewhere(port: int, **values: object) -> Settings:
    return Settings.model_validate({"redis_url": f"redis://127.0.0.1:{port}/0", **values})


async def test_the_client_reaches_the_configured_redis(
    settings: Settings, redis_client: SyncRedis
) -> None:
    client = service_redis(settings)
    await client.set("greeting", "hello")
    await client.aclose()

    assert redis_client.get("greeting") == b"hello"


async def test_every_connection_has_a_name(settings: Settings) -> None:
    client = service_redis(settings)
    name = await client.client_getname()
    await client.aclose()

    assert name == "cos"


async def test_a_redis_that_never_answers_is_given_up_on(silent_port: int) -> None:
    client = service_redis(_elsewhere(silent_port, redis_timeout=0.05))
    started = time.monotonic()
    with pytest.raises(RedisTimeoutError):
        await client.ping()
    took = time.monotonic() - started
    await client.aclose()

    # One attempt and one retry; ten of them would take more than twice as long as this allows.
    assert took < 1.5  # testkit: ignore[TD622] that it ends in time is the subject


async def test_a_redis_that_refuses_is_given_up_on_after_one_retry(closed_port: int) -> None:
    client = service_redis(_elsewhere(closed_port))
    with pytest.raises(RedisConnectionError):
        await client.ping()
    await client.aclose()


async def test_the_pool_is_bounded_and_nobody_waits_for_ever(settings: Settings) -> None:
    client = service_redis(settings.model_copy(update={"redis_pool_size": 1, "redis_timeout": 0.1}))
    async with client.pubsub() as subscriber:
        await subscriber.subscribe("holds the only connection")
        with pytest.raises(RedisConnectionError, match="No connection available"):
            await client.ping()
    await client.aclose()


async def test_making_a_client_connects_to_nothing(closed_port: int) -> None:
    client = service_redis(_elsewhere(closed_port))
    await client.aclose()

    assert "closed" not in repr(client)


async def test_a_socket_address_makes_a_client_too() -> None:
    client = service_redis(Settings.model_validate({"redis_url": "unix:///run/redis.sock?db=2"}))
    arguments = client.connection_pool.connection_kwargs
    await client.aclose()

    assert (arguments["path"], arguments["db"]) == ("/run/redis.sock", 2)
