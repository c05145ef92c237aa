"""A Redis that hangs, dies and comes back, as redis-py sees it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Literal

import pytest
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from testkit.core.messages import TestkitError
from testkit.faults.redis_process import RedisProcess
from testkit.faults.servers import ServerFaults
from tests.support.runs import kept_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.faults.faults import Faults
    from testkit.servers.programs.launch import KeptServer
    from testkit.servers.redis import RedisServer

#: What a client waits for: a server that is there answers sooner, on a busy machine too.
SECONDS = 0.1


@pytest.fixture
def redis_faults(faults: Faults) -> ServerFaults:
    """What may be done to this process' Redis."""
    return faults.redis.server


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator[redis.Redis]:
    """A client that tries once and waits for a short time."""
    with redis.Redis.from_url(
        redis_server.url, socket_timeout=SECONDS, retry=Retry(NoBackoff(), 0)
    ) as client:
        yield client


class Interrupted:
    """A keeper whose caller is interrupted when it has obeyed one of these words."""

    def __init__(self, kept: KeptServer) -> None:
        self._kept, self.words = kept, ["pause"]

    def tell(self, word: Literal["pause", "resume", "kill", "start"]) -> None:
        self._kept.tell(word)
        if word in self.words:
            self.words.remove(word)
            raise KeyboardInterrupt


def patient(server: RedisServer) -> redis.Redis:
    return redis.Redis.from_url(server.url, socket_timeout=None, retry=Retry(NoBackoff(), 0))


def test_a_client_with_a_timeout_gives_up_on_a_paused_server(
    redis_faults: ServerFaults, client: redis.Redis
) -> None:
    client.set("key", 1)
    with redis_faults.pause(), pytest.raises(redis.TimeoutError):
        client.get("key")

    assert client.get("key") == b"1"


def test_a_new_connection_to_a_paused_server_is_taken_and_gets_no_answer(
    redis_faults: ServerFaults, client: redis.Redis
) -> None:
    with redis_faults.pause(), pytest.raises(redis.TimeoutError):
        client.ping()

    assert client.ping() is True


def test_a_client_without_a_timeout_waits_until_the_pause_ends(
    redis_faults: ServerFaults, redis_server: RedisServer
) -> None:
    answers: list[object] = []
    with patient(redis_server) as waiting:
        waiting.ping()
        paused = redis_faults.pause()
        thread = threading.Thread(target=lambda: answers.append(waiting.incr("count")))
        thread.start()
        thread.join(SECONDS)
        before = list(answers)
        paused.end()
        thread.join()

    assert (before, answers) == ([], [1])


async def test_asynchronous_clients_see_the_same(
    redis_faults: ServerFaults, redis_server: RedisServer
) -> None:
    async with redis.asyncio.Redis.from_url(
        redis_server.url, socket_timeout=SECONDS, retry=redis.asyncio.retry.Retry(NoBackoff(), 0)
    ) as client:
        await client.set("key", 1)
        with redis_faults.pause(), pytest.raises(redis.TimeoutError):
            await client.get("key")
        with redis_faults.kill(), pytest.raises(redis.ConnectionError):
            await client.get("key")

        assert await client.get("key") == b"1"


def test_what_was_sent_during_a_pause_is_done_behind_it(
    redis_faults: ServerFaults, redis_server: RedisServer, client: redis.Redis
) -> None:
    client.ping()
    with redis_faults.pause(), pytest.raises(redis.TimeoutError):
        client.incr("count")
    with patient(redis_server) as other:
        count = other.get("count")

    assert count == b"1"


def test_a_killed_server_refuses_connections_and_comes_back_with_its_data(
    redis_faults: ServerFaults, client: redis.Redis
) -> None:
    client.set("key", 1)
    client.hset("hash", "field", "x")
    with redis_faults.kill() as fault:
        with pytest.raises(redis.ConnectionError):
            client.get("key")
        with pytest.raises(redis.ConnectionError, match="refused"):
            client.get("key")

    assert (client.get("key"), client.hgetall("hash")) == (b"1", {b"field": b"x"})
    assert (fault.struck, fault.in_force) == (1, False)


def test_a_server_whose_data_is_lost_comes_back_empty(
    redis_faults: ServerFaults, client: redis.Redis
) -> None:
    client.set("key", 1)
    client.save()
    redis_faults.restart(data="lost")

    assert client.dbsize() == 0


@pytest.mark.parametrize("data", ["kept", "lost"])
def test_it_is_another_process_at_the_same_address(
    redis_faults: ServerFaults, redis_server: RedisServer, data: str
) -> None:
    with patient(redis_server) as client:
        before = client.info("server")["process_id"]
        fault = redis_faults.restart(data=data)  # type: ignore[arg-type]  # one of both
        # redis-py looks at a connection of its pool before it uses it.
        after = client.info("server")["process_id"]

    assert before != after
    assert not fault.in_force


def test_every_acknowledged_write_of_another_thread_is_kept(
    redis_faults: ServerFaults, redis_server: RedisServer
) -> None:
    acknowledged = [0]

    def count() -> None:
        with patient(redis_server) as client:
            try:
                while True:
                    acknowledged.append(client.incr("count"))
            except redis.ConnectionError:
                return

    thread = threading.Thread(target=count)
    thread.start()
    redis_faults.restart()
    thread.join()
    with patient(redis_server) as client:
        found = int(client.get("count") or 0)

    assert found in (acknowledged[-1], acknowledged[-1] + 1)


def test_one_fault_at_a_time(redis_faults: ServerFaults, client: redis.Redis) -> None:
    with redis_faults.pause() as fault:
        with pytest.raises(TestkitError, match="TK641") as caught:
            redis_faults.kill()
        fault.end()
        client.set("key", 1)

    assert "kill(data='kept')" in str(caught.value)
    assert "the server is paused" in str(caught.value)


def test_what_interrupts_a_fault_leaves_it_in_force_until_it_is_ended(
    redis_server: RedisServer, client: redis.Redis
) -> None:
    interrupted = Interrupted(kept_of(redis_server))
    process = RedisProcess(redis_server, interrupted, lambda: None, lambda: None)
    faults = ServerFaults(process)
    client.ping()
    with pytest.raises(KeyboardInterrupt):
        faults.pause()
    with pytest.raises(redis.TimeoutError):
        client.ping()
    faults.end()
    before = client.info("server")["process_id"]
    interrupted.words = ["kill"]
    with pytest.raises(KeyboardInterrupt):
        faults.kill()
    faults.end()

    assert client.info("server")["process_id"] != before


def test_a_server_that_cannot_save_is_not_killed(
    redis_faults: ServerFaults, client: redis.Redis, redis_server: RedisServer
) -> None:
    assert redis_server.kept is not None
    in_the_way = redis_server.kept.directory / f"temp-{client.info('server')['process_id']}.rdb"
    in_the_way.mkdir()
    try:
        with pytest.raises(TestkitError, match="TK643"):
            redis_faults.kill()
    finally:
        in_the_way.rmdir()

    assert client.set("key", 1) is True
