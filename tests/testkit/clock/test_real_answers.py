"""Real requests while the clock stands: they take the time they take, and nothing times out."""

from __future__ import annotations

import asyncio
import concurrent.futures
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import anyio
import asyncpg
import psycopg
import pytest
import redis.asyncio
from sqlalchemy import text

from testkit.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from testkit.isolation.database import Database
    from testkit.servers.redis import RedisServer


async def _in_real_time(request: Awaitable[object]) -> float:
    """Return how many seconds the request took by a clock that nobody moves."""
    began = time.clock_gettime(time.CLOCK_MONOTONIC)
    await request
    return time.clock_gettime(time.CLOCK_MONOTONIC) - began


async def test_redis_answers_within_any_timeout(clock: Clock, redis_server: RedisServer) -> None:
    async with redis.asyncio.Redis.from_url(redis_server.url, socket_timeout=0.5) as client:
        clock.freeze()
        for number in range(20):
            async with asyncio.timeout(1):
                await client.set("key", number)
            await asyncio.sleep(3600)

        assert await client.get("key") == b"19"


async def test_a_connection_that_was_there_before_the_clock_answers(
    redis_server: RedisServer,
) -> None:
    async with redis.asyncio.Redis.from_url(redis_server.url) as client:
        await client.ping()
        clock = Clock()
        clock.begin()
        try:
            with clock.freeze(patience=30):
                for number in range(3):
                    async with asyncio.timeout(60):
                        assert await client.incr("key") == number + 1
                    took = await _in_real_time(asyncio.sleep(3600))
        finally:
            clock.end()

    assert took < 30  # nothing was in flight any more


async def test_a_blocking_command_keeps_real_time(clock: Clock, redis_server: RedisServer) -> None:
    async with redis.asyncio.Redis.from_url(redis_server.url) as client:
        await client.ping()
        clock.freeze()

        async with asyncio.timeout(60):
            took = await _in_real_time(client.blpop(["nothing"], timeout=0.05))

    assert took >= 0.05


async def test_psycopg_answers_within_any_timeout(clock: Clock, database: Database) -> None:
    url = database.url(driver="libpq")
    clock.freeze()
    async with await psycopg.AsyncConnection.connect(url) as connection:
        for _ in range(5):
            async with asyncio.timeout(1):
                cursor = await connection.execute("SELECT pg_sleep(0.01)")
            await asyncio.sleep(600)

        assert await cursor.fetchall() == [("",)]


async def test_asyncpg_answers_within_any_timeout(clock: Clock, database: Database) -> None:
    url = database.url(driver="libpq")
    clock.freeze()
    connection = await asyncpg.connect(url, timeout=2, command_timeout=1)
    try:
        for _ in range(5):
            await connection.execute("SELECT pg_sleep(0.01)")
            await asyncio.sleep(600)

        assert await connection.fetchval("SELECT 1") == 1
    finally:
        await connection.close()


async def test_an_async_engine_answers_while_the_clock_runs(
    clock: Clock, database: Database
) -> None:
    ticks: list[int] = []

    async def tick() -> None:
        while True:
            await asyncio.sleep(10)
            async with database.async_engine.connect() as connection:
                ticks.append((await connection.execute(text("SELECT 1"))).scalar_one())

    task = asyncio.create_task(tick())
    await clock.run_for(60)
    task.cancel()

    assert ticks == [1] * 6


async def test_a_timer_waits_its_real_time_beside_a_request(
    clock: Clock, redis_server: RedisServer
) -> None:
    async with redis.asyncio.Redis.from_url(redis_server.url) as client:
        await client.ping()
        clock.freeze()
        blocked = asyncio.ensure_future(client.blpop(["nothing"], timeout=0.5))
        await asyncio.sleep(0)  # it has written its command

        took = await _in_real_time(asyncio.sleep(0.05))
        await client.rpush("nothing", "now")

        assert await blocked == (b"nothing", b"now")
        assert took >= 0.05


async def test_patience_ends_the_wait_for_an_answer(
    clock: Clock, redis_server: RedisServer
) -> None:
    async with redis.asyncio.Redis.from_url(redis_server.url, socket_timeout=None) as client:
        await client.ping()
        clock.freeze(patience=0.05)

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600):
                await client.blpop(["nothing"], timeout=30)


async def test_a_job_of_an_executor_is_waited_for(clock: Clock) -> None:
    clock.freeze()
    go = threading.Event()

    async with asyncio.timeout(3):
        job = asyncio.to_thread(go.wait, 0.05)
        assert await job is False
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        async with asyncio.timeout(3):
            assert await asyncio.wrap_future(pool.submit(go.wait, 0.05)) is False


async def test_a_child_process_is_waited_for(clock: Clock) -> None:
    clock.freeze()
    async with asyncio.timeout(4):
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "print('ready')", stdout=subprocess.PIPE
        )
        out, _ = await child.communicate()

    assert out == b"ready\n"


async def test_a_server_in_the_same_loop_answers(clock: Clock) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line.upper())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    clock.freeze()
    async with server:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(10):
            writer.write(b"question\n")
            async with asyncio.timeout(1):
                assert await reader.readline() == b"QUESTION\n"
            await asyncio.sleep(60)
        writer.close()
        await writer.wait_closed()


@pytest.fixture
def port_of_pieces() -> Iterator[int]:
    """A server without an event loop that gives its answer in pieces, one after the other."""
    never = threading.Event()

    def answer(listener: socket.socket) -> None:
        with listener.accept()[0] as connection:
            while question := connection.recv(100):
                for place in range(0, len(question), 2):
                    connection.sendall(question[place : place + 2])
                    never.wait(0.02)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


async def test_the_rest_of_an_answer_is_waited_for(clock: Clock, port_of_pieces: int) -> None:
    clock.freeze()
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of_pieces)
    answers = []
    for _ in range(3):
        writer.write(b"question")
        async with asyncio.timeout(60):
            answers.append(await reader.readexactly(8))
        await asyncio.sleep(3600)
    writer.close()
    await writer.wait_closed()

    assert answers == [b"question"] * 3


async def test_the_rest_of_an_answer_is_waited_for_by_anyio(
    clock: Clock, port_of_pieces: int
) -> None:
    clock.freeze()
    async with await anyio.connect_tcp("127.0.0.1", port_of_pieces) as stream:
        await stream.send(b"question")
        answer = b""
        with anyio.fail_after(60):
            while len(answer) < 8:
                answer += await stream.receive()

    assert answer == b"question"


def _in_thread(run: Callable[[], object]) -> object:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result(10)


async def _sleeps(seconds: float) -> float:
    began = time.monotonic()
    await asyncio.sleep(seconds)
    return round(time.monotonic() - began)


def test_a_loop_of_asyncio_run_follows_the_clock(clock: Clock) -> None:
    clock.freeze()

    assert asyncio.run(_sleeps(7200)) == 7200


def test_a_loop_in_a_thread_follows_the_clock(clock: Clock) -> None:
    clock.freeze()

    assert _in_thread(lambda: asyncio.run(_sleeps(7200))) == 7200


async def test_a_loop_in_a_thread_follows_while_another_one_is_blocked(clock: Clock) -> None:
    clock.freeze()

    assert _in_thread(lambda: asyncio.run(_sleeps(7200))) == 7200


def test_a_loop_that_waits_already_sees_the_jump(clock: Clock) -> None:
    waits = threading.Event()

    async def sleep() -> None:
        asyncio.get_running_loop().call_later(0, waits.set)
        await asyncio.sleep(3600)

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        future = pool.submit(lambda: asyncio.run(sleep()))
        waits.wait(10)
        clock.advance(3600)

        assert future.result(10) is None


def test_a_loop_that_waited_before_there_was_a_clock_sees_the_jump() -> None:
    waits = threading.Event()

    async def sleep() -> None:
        asyncio.get_running_loop().call_later(0, waits.set)
        await asyncio.sleep(3600)

    clock = Clock()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        future = pool.submit(lambda: asyncio.run(sleep()))
        waits.wait(10)
        clock.begin()
        try:
            clock.advance(3600, hands="loop")

            assert future.result(10) is None
        finally:
            clock.end()


def test_loops_of_two_threads_share_the_order(clock: Clock) -> None:
    clock.freeze()
    done: list[int] = []
    both = threading.Barrier(2)

    async def sleep(first: int) -> None:
        await asyncio.to_thread(both.wait, 5)
        await asyncio.sleep(first)
        done.append(first)
        for seconds in range(first + 2, 40, 2):
            await asyncio.sleep(2)
            done.append(seconds)

    def run(first: int) -> None:
        asyncio.run(sleep(first))

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(run, first) for first in (0, 1)]:
            future.result(10)

    assert done == list(range(40))
