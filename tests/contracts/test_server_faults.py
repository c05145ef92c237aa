"""What a test may do to a whole server, whichever road it came by."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any, Literal

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from testkit.core.messages import TestkitError
from testkit.faults.whose import postgres_faults, redis_faults
from testkit.isolation.keyspace import Keyspace
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.servers.run import Run
    from tests.contracts.conftest import Road

SECONDS = 0.05
OWN_ROADS = [
    "embedded",
    pytest.param("local", marks=pytest.mark.soak),  # the same keeper as embedded
    pytest.param("docker", marks=pytest.mark.slow),
]
OWN_REDIS = pytest.mark.parametrize("redis_road", OWN_ROADS, indirect=True)
OWN_POSTGRES = pytest.mark.parametrize("postgres_road", OWN_ROADS, indirect=True)


@pytest.fixture
def client(redis_run: Run) -> Iterator[redis.Redis]:
    """A client that tries once and waits for a short time."""
    url = redis_run.ensure_redis().url
    with redis.Redis.from_url(url, socket_timeout=SECONDS, retry=Retry(NoBackoff(), 0)) as client:
        yield client


@OWN_REDIS
def test_a_redis_that_is_paused_answers_behind_the_pause(
    redis_run: Run, client: redis.Redis
) -> None:
    faults = redis_faults(redis_run, lambda: None)
    client.ping()
    with faults.pause(), pytest.raises(redis.TimeoutError):
        client.incr("count")

    assert client.get("count") == b"1"


@OWN_REDIS
@pytest.mark.parametrize("data", ["kept", "lost"])
def test_a_redis_that_is_killed_comes_back(
    redis_run: Run, client: redis.Redis, data: Literal["kept", "lost"]
) -> None:
    keyspace = Keyspace(redis_run.ensure_redis().address)
    faults = redis_faults(redis_run, keyspace.restarted)
    try:
        client.set("fixture", 1)
        keyspace.claim(1, since=0)
        client.set("mine", 1)
        client.save()
        client.set("more", 1)
        with faults.kill(data=data), pytest.raises(redis.ConnectionError):
            client.ping()
        found = sorted(client.keys())
        faults.restart(data=data)
        again = sorted(client.keys())
        keyspace.finish()
        behind = client.keys()
    finally:
        keyspace.close()
    kept = redis_run.ensure_redis().kept
    assert kept is not None

    assert found == ([b"fixture", b"mine", b"more"] if data == "kept" else [])
    assert again == found
    assert behind == [b"fixture"]
    assert kept.has_ended() is None


@OWN_REDIS
def test_a_fixture_s_subscriber_that_comes_back_is_still_the_fixture_s(
    redis_run: Run, client: redis.Redis
) -> None:
    keyspace = Keyspace(redis_run.ensure_redis().address)
    faults = redis_faults(redis_run, keyspace.restarted)
    patient = redis.Redis.from_url(redis_run.ensure_redis().url)
    try:
        fixtures: Any = patient.pubsub()  # type: ignore[no-untyped-call]  # redis-py's
        tests: Any = client.pubsub()  # type: ignore[no-untyped-call]  # redis-py's

        def listens() -> bool:
            with contextlib.suppress(redis.ConnectionError):
                fixtures.get_message()  # connects again where it must
            return client.pubsub_numsub("news") == [(b"news", 1)]

        fixtures.subscribe("news")
        wait_until(listens)
        keyspace.claim(1, since=0)
        faults.restart()
        wait_until(listens)
        keyspace.finish()
        left = keyspace.left()
        tests.subscribe("news")
        tests.get_message(timeout=1)
        keyspace.finish()
        next_left = keyspace.left()
        listening = client.publish("news", "hello")
        fixtures.close()
        tests.close()
    finally:
        patient.close()
        keyspace.close()

    assert (left, listening) == (None, 1)
    assert next_left is not None


def test_a_leased_redis_is_none_to_disturb(redis_run: Run, redis_road: Road) -> None:
    if redis_road.name == "external":
        with pytest.raises(TestkitError, match=r"TK640.*testkit does not run it"):
            redis_faults(redis_run, lambda: None)
    else:
        assert redis_faults(redis_run, lambda: None).pause().struck == 1


@OWN_POSTGRES
def test_a_postgres_that_is_paused_answers_behind_the_pause(postgres_run: Run) -> None:
    server = postgres_run.ensure_database()
    faults = postgres_faults(postgres_run, None, lambda: None)
    answers: list[object] = []
    url = server.address(postgres_run.database).url("libpq")
    with psycopg.connect(url) as connection:
        paused = faults.pause()
        thread = threading.Thread(
            target=lambda: answers.append(connection.execute("SELECT 1").fetchone())
        )
        thread.start()
        thread.join(SECONDS)
        before = list(answers)
        paused.end()
        thread.join()

    assert (before, answers) == ([], [(1,)])


@OWN_POSTGRES
def test_a_postgres_that_is_killed_comes_back_where_its_data_can(
    postgres_run: Run, postgres_road: Road
) -> None:
    server = postgres_run.ensure_database()
    faults = postgres_faults(postgres_run, None, lambda: None)
    url = server.address(postgres_run.database).url("libpq")
    if postgres_road.name == "docker":
        with pytest.raises(TestkitError, match=r"TK640.*memory of its container"):
            faults.restart()
        return
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE thing (id int)")
    faults.restart(data="kept")
    with psycopg.connect(url) as connection:
        kept = connection.execute("SELECT count(*) FROM thing").fetchone()
    faults.restart(data="lost")
    with psycopg.connect(url) as connection:
        lost = connection.execute("SELECT to_regclass('thing')").fetchone()

    assert (kept, lost) == ((0,), (None,))
