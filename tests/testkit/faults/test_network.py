"""What redis-py, psycopg and asyncpg, sync and async, see of each fault of the network."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.support.fault_clients import PsycopgSync
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from testkit.faults.faults import Faults
    from tests.support.fault_clients import Client


async def test_without_a_fault_everything_passes(client: Client) -> None:
    await client.open()

    assert await client.ask() == "pong"


async def test_latency_puts_off_question_and_answer(client: Client) -> None:
    await client.open()
    with client.relay().latency(0.005) as fault:
        began = time.monotonic()
        answer = await client.ask()
        taken = time.monotonic() - began

    assert answer == "pong"
    assert taken >= 0.010
    assert fault.struck >= 2


async def test_latency_in_one_direction_is_there_once(client: Client) -> None:
    await client.open()
    with client.relay().latency(0.005, direction="to_client") as fault:
        await client.ask()

    assert fault.struck >= 1
    assert {e.what.split(" ", 1)[1] for e in client.faults.log if e.done} == {"bytes to the client"}


async def test_a_reset_strikes_an_idle_connection(client: Client) -> None:
    await client.open()
    with client.relay().reset() as fault, pytest.raises(client.lost):
        await client.ask()

    assert fault.struck >= 1


async def test_behind_a_reset_a_new_connection_is_served(client: Client) -> None:
    await client.open()
    client.relay().reset().end()
    await client.close()
    await client.open()

    assert await client.ask() == "pong"


async def test_a_reset_on_connect_leaves_those_alone_that_stand(client: Client) -> None:
    await client.open()
    other = type(client)(client.faults)
    with client.relay().reset_on_connect() as fault:
        with pytest.raises(client.lost):
            await other.open()

        assert await client.ask() == "pong"
    await other.close()

    assert fault.struck >= 1


async def test_a_refusal_is_what_a_client_sees_where_nobody_listens(client: Client) -> None:
    with client.relay().refuse() as fault, pytest.raises(client.refused):
        await client.open()
    await client.close()
    await client.open()

    assert fault.struck == 1
    assert await client.ask() == "pong"


async def test_a_refusal_leaves_those_alone_that_stand(client: Client) -> None:
    await client.open()
    other = type(client)(client.faults)
    with client.relay().refuse():
        with pytest.raises(client.refused):
            await other.open()

        assert await client.ask() == "pong"
    await other.close()


def test_refusals_end_in_any_order_and_then_hear_nobody(faults: Faults) -> None:
    hooked = vars(redis.connection.Connection)["_connect"]
    with redis.Redis.from_url(faults.redis.url, retry=Retry(NoBackoff(), 0)) as client:
        first, second = faults.redis.refuse(), faults.redis.refuse()
        with pytest.raises(redis.ConnectionError):
            client.ping()
        first.end()
        with pytest.raises(redis.ConnectionError):
            client.ping()
        second.end()

        assert client.ping()
    assert (first.struck, second.struck) == (1, 2)
    assert vars(redis.connection.Connection)["_connect"] is hooked


async def test_silence_lets_a_client_wait(waiting: Client) -> None:
    with waiting.relay().silence() as fault, pytest.raises(waiting.late):
        await waiting.open()

    assert fault.struck >= 1


async def test_a_black_hole_lets_a_client_wait(waiting: Client) -> None:
    with waiting.relay().black_hole() as fault, pytest.raises(waiting.late):
        await waiting.open()

    assert fault.struck >= 1


async def test_nobody_answers_an_attempt_to_connect(waiting: Client) -> None:
    with waiting.relay().connect_black_hole() as fault, pytest.raises(waiting.late):
        await waiting.open()

    assert fault.struck >= 1


async def test_a_reply_is_cut(client: Client) -> None:
    await client.open()
    with client.relay().cut(after=3) as fault, pytest.raises(client.lost):
        await client.ask()

    assert fault.struck == 1
    assert "cut behind 3 bytes" in str(client.faults.log)


def test_a_cut_counts_the_bytes_of_each_connection_from_its_declaration_on(faults: Faults) -> None:
    with redis.Redis.from_url(faults.redis.url, retry=Retry(NoBackoff(), 0)) as client:
        client.ping()
        with faults.redis.cut(after=20):
            answers = [client.echo("pong"), client.echo("pong")]  # of 10 bytes each
            with pytest.raises(redis.ConnectionError):
                client.echo("pong")

    assert answers == [b"pong", b"pong"]


def test_a_black_hole_heals_without_closing(faults: Faults) -> None:
    client = PsycopgSync(faults)
    answers: list[str] = []

    def ask() -> None:
        assert client.connection is not None
        row = client.connection.execute("SELECT 'late'").fetchone()
        answers.extend(row or ())

    client.connection = psycopg.connect(faults.postgres.url("libpq"))
    asking = threading.Thread(target=ask)
    with faults.postgres.black_hole(direction="to_client") as fault:
        asking.start()
        wait_until(lambda: fault.struck)
        before = list(answers)
    asking.join()
    client.connection.close()

    assert before == []
    assert answers == ["late"]
    assert [e.what for e in faults.log if e.what == "connected"] == ["connected"]


def test_a_silent_connection_can_be_reset(faults: Faults) -> None:

    seen: list[Exception] = []

    def connect() -> None:
        try:
            psycopg.connect(faults.postgres.url("libpq"))
        except psycopg.OperationalError as error:
            seen.append(error)

    connecting = threading.Thread(target=connect)
    with faults.postgres.silence() as fault:
        connecting.start()
        wait_until(lambda: fault.struck)
        faults.postgres.reset().end()
    connecting.join()

    assert len(seen) == 1
