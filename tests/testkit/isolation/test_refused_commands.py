"""Through every style of client: what is not for a leased database is refused, and not sent."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

import pytest
import redis
import redis.asyncio

from testkit.core.messages import TestkitError
from testkit.isolation.refusals import Refusals
from testkit.isolation.refused_commands import RefusedCommands

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from testkit.core.addresses import Address
    from testkit.servers.redis import RedisServer

LEASED: Final = 5
HOLDER: Final = "testkit-lease-of-this-test"


@pytest.fixture
def leased(redis_server: RedisServer) -> Address:
    """One database of this worker's Redis, as if somebody else had the others."""
    return dataclasses.replace(redis_server.address, name=str(LEASED))


@pytest.fixture
def refusals(leased: Address) -> Iterator[Refusals]:
    """What was refused while commands are judged."""
    refusals = Refusals("it")
    commands = RefusedCommands(leased, holder=HOLDER, refusals=refusals)
    commands.begin()
    yield refusals
    commands.end()


# Any: redis-py's types know no pipeline that is a client, and take a number of a database for text.
def opened(address: Address, **options: Any) -> Any:
    return redis.Redis.from_url(address.url(), **options)


def in_a_transaction(client: Any) -> None:
    with client.pipeline() as pipeline:
        pipeline.set("a", 1).publish("news", "x").execute()


def in_a_pipeline(client: Any) -> None:
    with client.pipeline(transaction=False) as pipeline:
        pipeline.set("a", 1).publish("news", "x").execute()


def while_watching(client: Any) -> None:
    with client.pipeline() as pipeline:
        pipeline.watch("a")
        pipeline.publish("news", "x")


def by_a_connection(client: Any) -> None:
    connection = client.connection_pool.get_connection()
    try:
        connection.send_command("PUBLISH", "news", "x")
    finally:
        client.connection_pool.release(connection)


def packed(client: Any) -> None:
    connection = client.connection_pool.get_connection()
    try:
        connection.send_packed_command(connection.pack_command("PUBLISH", "news", "x"))
    finally:
        client.connection_pool.release(connection)


def subscribing(client: Any) -> None:
    with client.pubsub() as pubsub:
        pubsub.subscribe("news")


def monitoring(client: Any) -> None:
    with client.monitor():
        pass


SYNC: Final[dict[str, tuple[str, Callable[[Any], object]]]] = {
    "a method": ("PUBLISH", lambda client: client.publish("news", "x")),
    "lower case": ("PUBLISH", lambda client: client.execute_command("publish", "news", "x")),
    "bytes": ("PUBLISH", lambda client: client.execute_command(b"publish", "news", "x")),
    "one string": ("CONFIG SET", lambda client: client.config_set("maxmemory", 1)),
    "words": ("CONFIG SET", lambda client: client.execute_command("CONFIG", b"set", "hz", 9)),
    "one string of bytes": (
        "CONFIG SET",
        lambda client: client.execute_command(b"config set", "hz", 9),
    ),
    "all in one string": ("FLUSHALL", lambda client: client.execute_command("  FLUSHALL ASYNC")),
    "a transaction": ("PUBLISH", in_a_transaction),
    "a pipeline": ("PUBLISH", in_a_pipeline),
    "a watching pipeline": ("PUBLISH", while_watching),
    "a connection": ("PUBLISH", by_a_connection),
    "a packed command": ("PUBLISH", packed),
    "a subscriber": ("SUBSCRIBE", subscribing),
    "a monitor": ("MONITOR", monitoring),
    "another database": ("SELECT", lambda client: client.execute_command("SELECT", 3)),
    "a key that moves": ("MOVE", lambda client: client.move("a", 3)),
    "a copy": ("COPY", lambda client: client.copy("a", "b", destination_db=3)),
    "a function": ("FUNCTION LOAD", lambda client: client.function_load("#!lua name=a\n")),
    "a user": ("ACL SETUSER", lambda client: client.acl_setuser("ada", enabled=True)),
}
POOLS: Final[dict[str, Callable[[Address], Any]]] = {
    "a pool": opened,
    "one connection": lambda address: opened(address, single_connection_client=True),
    "RESP 3": lambda address: opened(address, protocol=3),
    "RESP 2": lambda address: opened(address, protocol=2, decode_responses=True),
    "a blocking pool": lambda address: redis.Redis(
        connection_pool=redis.BlockingConnectionPool.from_url(address.url(), max_connections=1)
    ),
}


async def async_in_a_transaction(client: Any) -> None:
    async with client.pipeline() as pipeline:
        await pipeline.set("a", 1).publish("news", "x").execute()


async def async_in_a_pipeline(client: Any) -> None:
    async with client.pipeline(transaction=False) as pipeline:
        await pipeline.set("a", 1).publish("news", "x").execute()


async def async_subscribing(client: Any) -> None:
    async with client.pubsub() as pubsub:
        await pubsub.psubscribe("news*")


async def async_by_a_connection(client: Any) -> None:
    connection = await client.connection_pool.get_connection()
    try:
        await connection.send_command("PUBLISH", "news", "x")
    finally:
        await client.connection_pool.release(connection)


ASYNC: Final[dict[str, tuple[str, Callable[[Any], Awaitable[object]]]]] = {
    "a method": ("FLUSHALL", lambda client: client.flushall()),
    "one string": ("SCRIPT FLUSH", lambda client: client.script_flush()),
    "a transaction": ("PUBLISH", async_in_a_transaction),
    "a pipeline": ("PUBLISH", async_in_a_pipeline),
    "a subscriber": ("PSUBSCRIBE", async_subscribing),
    "a connection": ("PUBLISH", async_by_a_connection),
    "another database": ("SELECT", lambda client: client.execute_command("SELECT", "3")),
}


def calls(client: Any, command: str) -> int:
    """Return how often the server was called so, whoever did it."""
    stats: Any = client.info("commandstats")
    return int(stats.get(f"cmdstat_{'|'.join(command.lower().split())}", {"calls": 0})["calls"])


@pytest.mark.parametrize("style", SYNC)
def test_a_command_is_refused_and_not_sent(style: str, leased: Address, refusals: Refusals) -> None:
    command, send = SYNC[style]
    with opened(leased) as client:
        before = calls(client, command)
        with pytest.raises(TestkitError) as caught:
            send(client)
        came = calls(client, command) - before
        works = (client.get("a"), client.ping())

    assert (caught.value.code, caught.value.values["command"]) == ("TK332", command)
    assert "test_refused_commands.py" in str(caught.value.values["where"])
    assert (came, works) == (0, (None, True))
    assert f"TK332: {command} was not sent" in str(refusals.finish_test("it"))


@pytest.mark.parametrize("pool", POOLS)
def test_every_pool_is_judged(pool: str, leased: Address, refusals: Refusals) -> None:
    with POOLS[pool](leased) as client:
        with pytest.raises(TestkitError, match="TK332"):
            client.publish("news", "x")
        client.set("a", 1)

        assert client.dbsize() == 1


@pytest.mark.parametrize("style", ASYNC)
async def test_a_command_is_refused_in_a_loop(
    style: str, leased: Address, refusals: Refusals
) -> None:
    command, send = ASYNC[style]
    async with redis.asyncio.Redis.from_url(leased.url()) as client:
        await client.ping()
        with opened(leased) as observer:
            before = calls(observer, command)
            with pytest.raises(TestkitError) as caught:
                await send(client)
            came = calls(observer, command) - before
        works = (await client.get("a"), await client.ping())

    assert (caught.value.code, caught.value.values["command"]) == ("TK332", command)
    assert "test_refused_commands.py" in str(caught.value.values["where"])
    assert (came, works) == (0, (None, True))


def test_what_is_of_one_database_is_sent(leased: Address, refusals: Refusals) -> None:
    with opened(leased, client_name="ours") as client:
        client.set("a", b"PUBLISH")
        client.execute_command("SELECT", LEASED)
        client.copy("a", "b", destination_db=LEASED)
        client.config_get("maxmemory")
        client.client_list()
        client.eval("return redis.call('GET', KEYS[1])", 1, "a")
        client.pubsub_channels()
        with client.lock("lock", timeout=1):
            pass
        with client.pipeline() as pipeline:
            pipeline.set("PUBLISH", 1).get("a").execute()
        client.flushdb()

    assert refusals.finish_test("it") is None


@pytest.mark.parametrize("number", [0, 3])
async def test_a_connection_to_another_database_is_refused(
    number: int, leased: Address, refusals: Refusals
) -> None:
    other = dataclasses.replace(leased, name=str(number)).url()
    with redis.Redis.from_url(other) as client, pytest.raises(TestkitError) as caught:
        client.get("a")
    async with redis.asyncio.Redis.from_url(other) as async_client:
        with pytest.raises(TestkitError) as caught_in_a_loop:
            await async_client.get("a")

    for error in (caught.value, caught_in_a_loop.value):
        assert (error.code, error.values["asked"]) == ("TK333", str(number))
    assert str(refusals.finish_test("it")).count("TK333:") == 1


def test_a_connection_that_was_open_before_is_judged(leased: Address) -> None:
    refusals = Refusals()
    commands = RefusedCommands(leased, holder=HOLDER, refusals=refusals)
    with opened(dataclasses.replace(leased, name="3")) as other, opened(leased) as ours:
        other.ping()
        ours.ping()
        commands.begin()
        try:
            with pytest.raises(TestkitError, match="TK333"):
                other.get("a")
            with pytest.raises(TestkitError, match="TK332"):
                ours.flushall()
        finally:
            commands.end()

        assert ours.flushall()


def test_not_judged_are_the_holder_of_the_lease_and_other_servers(
    leased: Address, refusals: Refusals, doomed: Any
) -> None:
    with opened(dataclasses.replace(leased, name="3"), client_name=HOLDER) as holder:
        holder.hget("leases", "5")
    doomed().flushall()
    doomed().publish("news", "x")

    assert refusals.finish_test("it") is None


def test_a_fake_that_opens_no_connection_is_not_judged(leased: Address, refusals: Refusals) -> None:
    class Fake(redis.Connection):
        def _connect(self) -> Any:
            raise redis.ConnectionError("nobody is there")

    pool = redis.ConnectionPool(
        connection_class=Fake, host=leased.host, port=leased.port, db=1, retry=None
    )
    with redis.Redis(connection_pool=pool) as client, pytest.raises(redis.ConnectionError):
        client.publish("news", "x")

    assert refusals.finish_test("it") is None


def test_after_the_end_redis_py_is_as_it_was(leased: Address) -> None:
    kinds = (redis.connection.AbstractConnection, redis.asyncio.connection.AbstractConnection)

    def points() -> list[object]:
        return [dict(vars(kind)) for kind in kinds]

    before = points()
    commands = RefusedCommands(leased, holder=HOLDER, refusals=Refusals())
    commands.begin()
    during = points()
    commands.end()

    assert before != during
    assert before == points()
