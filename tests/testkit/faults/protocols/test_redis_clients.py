"""What redis-py sees, in both versions of the protocol, when rules strike a real server's bytes."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from testkit.faults.protocols.conversation import redis_conversation
from testkit.faults.protocols.redis_rules import RedisRules
from tests.support.passing import Passing
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.faults.protocols.rules import Rule
    from testkit.servers.redis import RedisServer

#: How long a client waits for what never comes, in seconds.
PATIENCE = 0.1


@pytest.fixture
def passing(redis_server: RedisServer) -> Iterator[Passing]:
    with Passing((redis_server.host, redis_server.port), redis_conversation) as passing:
        yield passing


@pytest.fixture
def rules(passing: Passing) -> RedisRules[Rule]:
    return RedisRules(passing.declare)


@pytest.fixture(params=[2, 3], ids=["RESP2", "RESP3"])
def protocol(request: pytest.FixtureRequest) -> int:
    assert isinstance(request.param, int)
    return request.param


@pytest.fixture
def url(passing: Passing, redis_server: RedisServer) -> str:
    return redis_server.url.replace(f":{redis_server.port}", f":{passing.port}")


@pytest.fixture
def client(url: str, protocol: int) -> Iterator[Any]:
    """A client that does not retry, and waits no longer than it must."""
    with redis.Redis.from_url(
        url, protocol=protocol, retry=Retry(NoBackoff(), 0), socket_timeout=PATIENCE
    ) as client:
        client.ping()
        yield client


@pytest.fixture
def patient(url: str, protocol: int) -> Iterator[Any]:
    with redis.Redis.from_url(url, protocol=protocol, retry=Retry(NoBackoff(), 0)) as client:
        client.ping()
        yield client


def test_a_publish_whose_reply_is_lost_was_done(
    client: Any, patient: Any, redis_client: Any, rules: RedisRules[Rule]
) -> None:
    subscriber = redis_client.pubsub()
    subscriber.subscribe("events")
    assert subscriber.get_message(timeout=5)
    rules.reply("PUBLISH", key="events").lost()

    with pytest.raises(redis.TimeoutError):
        client.publish("events", "once")
    message = subscriber.get_message(timeout=5)
    subscriber.close()
    assert message
    assert message["data"] == b"once"
    assert patient.publish("events", "again") == 0


def test_a_request_that_is_dropped_was_not_done(
    client: Any, patient: Any, rules: RedisRules[Rule]
) -> None:
    rule = rules.request("SET", key=b"key").dropped()

    with pytest.raises(redis.TimeoutError):
        client.set("key", "value")
    assert patient.get("key") is None
    assert patient.set("key", "value")
    assert rule.struck == 1


def test_the_third_set_of_a_pipeline_is_answered_with_an_error(
    patient: Any, rules: RedisRules[Rule]
) -> None:
    rules.request("SET").nth(3).answered("READONLY You can't write against a read only replica.")
    pipeline = patient.pipeline(transaction=False)
    for number in range(5):
        pipeline.set(f"key:{number}", number)
    first, second, third, *others = pipeline.execute(raise_on_error=False)

    assert [first, second, *others] == [True] * 4
    assert isinstance(third, redis.exceptions.ReadOnlyError)
    assert patient.exists(*[f"key:{number}" for number in range(5)]) == 4


def test_an_error_inside_a_transaction_leaves_nothing_done(
    patient: Any, rules: RedisRules[Rule]
) -> None:
    # redis-py sends its incr() as INCRBY.
    rules.request("INCRBY").nth(2).answered("OOM command not allowed")
    pipeline = patient.pipeline(transaction=True)
    pipeline.incr("a").incr("b").incr("c")

    with pytest.raises(redis.exceptions.OutOfMemoryError):
        pipeline.execute()
    assert patient.mget("a", "b", "c") == [None] * 3
    assert patient.pipeline(transaction=True).incr("a").incr("b").execute() == [1, 1]


@pytest.mark.parametrize("action", ["reset", "cut"])
def test_a_reply_that_breaks_off_is_a_lost_connection(
    patient: Any, rules: RedisRules[Rule], action: str
) -> None:
    reply = rules.reply("INCRBY")
    _ = reply.reset() if action == "reset" else reply.cut(after=2)

    with pytest.raises(redis.ConnectionError):
        patient.incr("key")
    assert patient.get("key") == b"1"


def test_a_request_that_is_reset_was_not_done(patient: Any, rules: RedisRules[Rule]) -> None:
    rules.request("INCRBY").reset()

    with pytest.raises(redis.ConnectionError):
        patient.incr("key")
    assert patient.get("key") is None


def test_the_reply_to_a_blocking_command_comes_later(
    patient: Any, redis_client: Any, rules: RedisRules[Rule]
) -> None:
    redis_client.xgroup_create("stream", "group", mkstream=True)
    redis_client.xadd("stream", {"n": 1})
    rule = rules.reply("XREADGROUP", key="stream").delayed(0.02)
    before = time.monotonic()
    found = patient.xreadgroup("group", "me", {"stream": ">"}, block=1000)
    took = time.monotonic() - before

    assert b"stream" in str(found).encode()
    assert rule.struck == 1
    assert took >= 0.02


def test_a_fault_strikes_a_reply_that_is_awaited_already(
    patient: Any, redis_client: Any, passing: Passing, rules: RedisRules[Rule]
) -> None:
    redis_client.xgroup_create("stream", "group", mkstream=True)
    seen: list[BaseException] = []

    def read() -> None:
        try:
            patient.xreadgroup("group", "me", {"stream": ">"}, block=0)
        except redis.ConnectionError as error:
            seen.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    wait_until(lambda: "request XREADGROUP" in passing.texts)
    rules.reply("XREADGROUP", key="stream").reset()
    redis_client.xadd("stream", {"n": 1})
    thread.join()

    assert len(seen) == 1
    # The server gave the entry away, and nobody has it.
    assert redis_client.xpending("stream", "group")["pending"] == 1


def test_a_rule_by_the_words_of_a_command(patient: Any, rules: RedisRules[Rule]) -> None:
    rule = rules.request("SET", where=lambda words: b"NX" in words).answered("ERR no NX today")
    patient.set("key", "value")

    with pytest.raises(redis.ResponseError, match="no NX today"):
        patient.set("key", "value", nx=True)
    assert rule.struck == 1


def test_a_function_that_raises_breaks_its_rule_and_nothing_else(
    patient: Any, rules: RedisRules[Rule]
) -> None:
    rule = rules.request("SET", where=lambda words: words[17]).dropped()

    assert patient.set("key", "value")
    assert rule.broken is not None
    assert rule.broken.code == "TK629"
    assert "IndexError" in str(rule.broken)
    assert rule.struck == 0


def test_messages_of_a_channel_are_told_from_replies(
    patient: Any, redis_client: Any, passing: Passing, rules: RedisRules[Rule]
) -> None:
    subscriber = patient.pubsub()
    subscriber.subscribe("a", "b")
    kinds = [subscriber.get_message(timeout=5)["type"] for _ in range(2)]
    rule = rules.reply("PING").delayed(0.001)
    redis_client.publish("a", "one")
    subscriber.ping()
    redis_client.publish("b", "two")
    kinds += [subscriber.get_message(timeout=5)["type"] for _ in range(3)]
    subscriber.unsubscribe()
    kinds += [subscriber.get_message(timeout=5)["type"] for _ in range(2)]
    wait_until(lambda: passing.texts[-1] == "reply to UNSUBSCRIBE")
    subscriber.close()

    assert sorted(kinds) == ["message"] * 2 + ["pong"] + ["subscribe"] * 2 + ["unsubscribe"] * 2
    assert rule.struck == 1
    assert "reply to no request" not in passing.texts


def test_values_of_many_megabytes_pass_and_are_struck(
    patient: Any, passing: Passing, rules: RedisRules[Rule]
) -> None:
    value = b"x" * 5_000_000
    patient.set("big", value)
    rule = rules.request("SET").answered("ERR too much")

    assert patient.get("big") == value
    with pytest.raises(redis.ResponseError, match="too much"):
        patient.set("big", value)
    assert patient.set("small", "x")
    assert patient.strlen("big") == len(value)
    assert rule.struck == 1


def test_the_names_of_subcommands(patient: Any, rules: RedisRules[Rule]) -> None:
    narrow = rules.request("client getname").answered("ERR narrow")
    wide = rules.request("CLIENT").answered("ERR wide")

    with pytest.raises(redis.ResponseError, match="narrow"):
        patient.client_getname()
    with pytest.raises(redis.ResponseError, match="wide"):
        patient.client_id()
    assert (narrow.struck, wide.struck) == (1, 1)


def test_everything_of_a_client_is_paired(patient: Any, passing: Passing) -> None:
    patient.set("a", 1)
    patient.pipeline(transaction=True).get("a").hgetall("h").smembers("s").execute()
    patient.command_count()
    patient.zadd("z", {"a": 1.5})
    patient.zrange("z", 0, -1, withscores=True)
    patient.config_get("*")
    patient.eval("return {1, 'x', {2, 3}}", 0)
    with pytest.raises(redis.ResponseError):
        patient.execute_command("NO_SUCH_COMMAND")
    asked = [text.removeprefix("request ") for text in passing.texts if text.startswith("req")]
    replied = [text.removeprefix("reply to ") for text in passing.texts if text.startswith("rep")]

    assert asked == replied
    assert "CONFIG GET" in asked


async def test_an_asynchronous_client_sees_the_same(
    url: str, redis_client: Any, rules: RedisRules[Rule]
) -> None:
    rules.request("SET").answered("READONLY no")
    rules.reply("INCRBY").lost()
    async with redis.asyncio.Redis.from_url(
        url, retry=redis.asyncio.retry.Retry(NoBackoff(), 0), socket_timeout=PATIENCE
    ) as client:
        with pytest.raises(redis.exceptions.ReadOnlyError):
            await client.set("a", 1)
        with pytest.raises(redis.TimeoutError):
            await client.incr("a")

    assert redis_client.get("a") == b"1"
