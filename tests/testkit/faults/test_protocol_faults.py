"""Requests and replies that rules strike, as clients on the relays of a test see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from testkit.core.messages import TestkitError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.faults.faults import Faults
    from testkit.isolation.database import Database


@pytest.fixture
def client(faults: Faults) -> Iterator[redis.Redis]:
    """A client on the relay that does not retry."""
    with redis.Redis.from_url(faults.redis.url, retry=Retry(NoBackoff(), 0)) as client:
        yield client


def test_a_lost_reply_leaves_what_the_server_did(
    faults: Faults, client: redis.Redis, redis_client: redis.Redis
) -> None:
    connection: Any = client.connection_pool.get_connection()
    with faults.redis.reply("SET").lost() as fault:
        connection.send_command("SET", "a", 1)
        connection.send_command("PING")
        answer = connection.read_response()
    client.connection_pool.release(connection)

    assert answer == b"PONG"
    assert redis_client.get("a") == b"1"
    assert fault.struck == 1
    assert "request SET\n" in str(faults.log)


def test_the_third_of_a_pipeline_is_answered_and_not_done(
    faults: Faults, client: redis.Redis, redis_client: redis.Redis
) -> None:
    faults.redis.request("SET").nth(3).answered("READONLY You can't write.")
    pipeline = client.pipeline(transaction=False)
    for name in "abcd":
        pipeline.set(name, 1)
    answers = pipeline.execute(raise_on_error=False)

    assert [type(answer) for answer in answers] == [bool, bool, redis.ReadOnlyError, bool]
    assert redis_client.keys() != []
    assert redis_client.get("c") is None


def test_a_commit_whose_answer_is_reset_is_committed(faults: Faults, database: Database) -> None:
    with psycopg.connect(faults.postgres.url("libpq")) as connection:
        connection.execute("CREATE TEMPORARY TABLE gone (id int)")
        connection.commit()
        faults.postgres.reply("COMMIT").reset()
        connection.execute("SELECT txid_current()")
        with pytest.raises(psycopg.OperationalError):
            connection.commit()

    assert faults.log[-1].what.startswith(("reset", "reply to COMMIT"))


def test_there_is_no_request_number_nought(faults: Faults) -> None:
    with pytest.raises(TestkitError, match="nth") as caught:
        faults.redis.request("SET").nth(0)

    assert caught.value.code == "TK621"
