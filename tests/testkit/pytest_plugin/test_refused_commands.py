"""Whole suites on a Redis of others: what cannot be isolated on a leased database is refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import redis

from testkit.core.options import Settings
from tests.support.runs import new_run
from tests.support.suites import Suite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from testkit.servers.redis import RedisServer

pytestmark = pytest.mark.slow

ENV = 'env = { REDIS_URL = "{redis.url}" }\n'
STYLES = """
    import asyncio
    import contextlib
    import os

    import pytest
    import redis
    import redis.asyncio

    @pytest.fixture
    def client(redis_client):
        return redis_client

    def test_publish(client):
        client.publish("news", "x")

    def test_subscribe(client):
        with client.pubsub() as pubsub:
            pubsub.subscribe("news")

    def test_flushall(client):
        client.set("a", 1)
        client.flushall()

    def test_config(client):
        client.config_set("maxmemory-samples", 7)

    def test_pipeline(client):
        with client.pipeline() as pipeline:
            pipeline.set("a", 1).publish("news", "x").execute()

    def test_blocking_pool(redis_server):
        pool = redis.BlockingConnectionPool.from_url(redis_server.url)
        with redis.Redis(connection_pool=pool) as client:
            client.script_flush()

    async def test_async(async_redis_client):
        async with async_redis_client.pipeline() as pipeline:
            await pipeline.set("a", 1).publish("news", "x").execute()

    def test_select(client):
        client.execute_command("SELECT", 1)

    def test_another_database(redis_server):
        with redis.Redis.from_url(redis_server.url, db=None) as client:
            client.connection_pool.connection_kwargs["db"] = 1
            client.get("a")
"""
TESTS = 9


@pytest.fixture
def somebody(tmp_path: Path) -> Iterator[RedisServer]:
    """Somebody else's server, with something in database 1."""
    run = new_run(tmp_path / "somebody", Settings())
    server = run.ensure_redis()
    with client_of(server) as client:
        client.set("till", 1)
    yield server
    run.close()


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """An empty suite in which pytest-asyncio runs what is asynchronous."""
    suite = Suite(tmp_path / "suite")
    suite.write("pytest.ini", "[pytest]\nasyncio_mode = auto\n")
    return suite


def client_of(server: RedisServer) -> redis.Redis:
    return redis.Redis(port=server.port, password=server.password, db=1)


def calls(server: RedisServer, *commands: str) -> dict[str, int]:
    """Return how often each command was sent to the server by anybody."""
    with client_of(server) as client:
        stats = client.info("commandstats")
    assert isinstance(stats, dict)
    return {
        name: stats[f"cmdstat_{name}"]["calls"] for name in commands if f"cmdstat_{name}" in stats
    }


@pytest.mark.parametrize("configuration", ["", ENV])
def test_each_is_refused_at_the_line_that_asked_and_nothing_is_sent(
    configuration: str, suite: Suite, somebody: RedisServer
) -> None:
    suite.configure(configuration)
    suite.write("test_it.py", STYLES)
    names = ("publish", "subscribe", "flushall", "config|set", "script|flush")
    before = calls(somebody, *names)
    outcome = suite.run(TESTKIT_REDIS=somebody.url)
    with client_of(somebody) as client:
        till = client.get("till")

    outcome.check(code=1, failed=TESTS)
    assert len(re.findall(r"TK332: \S+", outcome.messages)) >= TESTS - 1
    assert "TK333: A connection to database 1 of 127.0.0.1:" in outcome.messages
    assert "test_it.py:15, test_it.py::test_publish" in outcome.messages
    assert "testkit explain TK332" in outcome.messages
    assert "refused_commands.py" not in outcome.text
    assert calls(somebody, *names) == before
    assert till == b"1"


def test_on_a_server_of_ones_own_nothing_is_refused(suite: Suite) -> None:
    suite.write("test_it.py", STYLES)
    outcome = suite.run()

    outcome.check(passed=TESTS)


def test_a_refusal_that_the_application_caught_fails_the_test_at_its_end_once(
    suite: Suite, somebody: RedisServer
) -> None:
    suite.configure("")
    suite.write(
        "test_it.py",
        """
        import contextlib

        def test_swallowed(redis_client):
            for _ in range(3):
                with contextlib.suppress(Exception):
                    redis_client.publish("news", "x")

        def test_dynamic(request):
            client = request.getfixturevalue("redis_client")
            with contextlib.suppress(Exception):
                client.flushall()

        def test_the_next_one(redis_client):
            assert redis_client.set("a", 1)

        def test_failed_by_it(redis_client):
            redis_client.flushall()
        """,
    )
    outcome = suite.run(TESTKIT_REDIS=somebody.url)

    assert outcome.tests == {
        "test_it::test_swallowed": "error",
        "test_it::test_dynamic": "error",
        "test_it::test_the_next_one": "passed",
        "test_it::test_failed_by_it": "failed",
    }
    assert outcome.messages.count("caught by the code that asked") == 2
    assert "test_it.py::test_dynamic" in outcome.messages
    assert "caught by the code that asked" in outcome.text


def test_the_first_to_ask_for_redis_is_named_also_where_nothing_was_started_before(
    suite: Suite, somebody: RedisServer
) -> None:
    suite.write(
        "test_it.py",
        """
        import contextlib

        def test_first():
            pass

        def test_dynamic(request):
            client = request.getfixturevalue("redis_client")
            with contextlib.suppress(Exception):
                client.flushall()
        """,
    )
    outcome = suite.run(TESTKIT_REDIS=somebody.url)

    outcome.check(code=1, passed=1, error=1)
    assert re.search(r"where: test_it.py:\d+, test_it.py::test_dynamic\n", outcome.messages)
    assert "no test did it" not in outcome.text


@pytest.mark.parametrize("mode", ["reset", "none"])
def test_a_conftest_that_empties_the_server_is_stopped_whatever_the_isolation(
    mode: str, suite: Suite, somebody: RedisServer
) -> None:
    suite.configure(ENV + f'isolation = "{mode}"\n')
    suite.write(
        "conftest.py",
        """
        import os
        import redis

        with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
            client.flushall()
        """,
    )
    suite.write("test_it.py", "def test_it(): pass")
    outcome = suite.run(TESTKIT_REDIS=somebody.url)
    with client_of(somebody) as client:
        till = client.get("till")

    assert outcome.code == 4
    assert "TK332: FLUSHALL was not sent" in outcome.text
    assert till == b"1"


@pytest.mark.parametrize("disposable", ["false", "true"])
def test_of_two_workers_each_is_refused_and_both_go_on(
    disposable: str, suite: Suite, somebody: RedisServer
) -> None:
    suite.configure(ENV + f"redis_disposable = {disposable}\n")
    suite.write(
        "test_it.py",
        """
        import pytest

        @pytest.mark.parametrize("n", range(6))
        def test_it(n, redis_client):
            assert redis_client.set("a", 1)
            if n % 3 == 0:
                redis_client.flushall()
        """,
    )
    outcome = suite.run("-n", "2", TESTKIT_REDIS=somebody.url)

    outcome.check(code=1, passed=4, failed=2)
    assert "TK332: FLUSHALL was not sent" in outcome.messages
