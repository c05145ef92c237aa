"""Somebody else's Redis: empty databases of it are leased, and given back empty."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import redis

from testkit.core.messages import TestkitError
from testkit.core.options import Settings
from testkit.isolation.leased_keyspace import LeasedKeyspace
from testkit.servers.ownership.records import owner_text
from testkit.servers.roads.redis_leases import sweep_at
from tests.support.processes import ended_process
from tests.support.suites import Suite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from testkit.servers.redis import RedisServer
    from testkit.servers.run import Run

HOLD_A_LEASE = """
import os, pathlib, secrets, sys
from testkit.core.options import Settings
from testkit.servers.run import Run
from testkit.system.processes import identify
me = identify(os.getpid())
run = Run(token=secrets.token_hex(4), owner=me, me=me, worker="main", workers=1,
          settings=Settings(redis=sys.argv[1]), root=pathlib.Path.cwd(),
          cache=pathlib.Path.cwd(), finish=None, progress=lambda words: None)
server = run.ensure_redis()
import redis
with redis.Redis.from_url(server.url) as client:
    client.set("of a test", 1)
print(server.database, flush=True)
sys.stdin.read()
"""

Contents = dict[int, dict[bytes, bytes]]


@pytest.fixture
def somebody(new_run: Callable[..., Run], tmp_path: Path) -> RedisServer:
    """A server with data in databases 0 and 2."""
    server = new_run(tmp_path / "somebody", Settings()).ensure_redis()
    for number in (0, 2):
        with client_of(server, number) as client:
            client.mset({"till": f"{number}", "testkit:lease": "mine, not yours"})
    return server


def client_of(server: RedisServer, number: int) -> redis.Redis:
    return redis.Redis(port=server.port, password=server.password, db=number)


def contents(server: RedisServer) -> Contents:
    """Return every key of every database, as DUMP has it."""
    found: Contents = {}
    for number in range(16):
        with client_of(server, number) as client:
            keys: list[bytes] = sorted(client.scan_iter())
            if keys:
                found[number] = {key: client.dump(key) or b"" for key in keys}
    return found


@pytest.fixture
def held(somebody: RedisServer, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process that holds a lease, and the number of its database."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_A_LEASE, somebody.url],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        yield holder, int(holder.stdout.readline())
        holder.kill()


def test_each_process_gets_an_empty_database_of_its_own(
    somebody: RedisServer, new_run: Callable[..., Run], tmp_path: Path
) -> None:
    runs = [new_run(tmp_path, Settings(redis=somebody.url)) for _ in range(3)]
    numbers = [run.ensure_redis().database for run in runs]
    addresses = [run.redis_address().name for run in runs]
    sizes = []
    for number in numbers:
        with client_of(somebody, number) as client:
            sizes.append(client.dbsize())

    assert numbers == [14, 13, 12]
    assert addresses == ["14", "13", "12"]
    assert sizes == [0, 0, 0]


def test_what_is_leased_is_given_back_empty_and_all_else_is_as_it_was(
    somebody: RedisServer, new_run: Callable[..., Run], tmp_path: Path
) -> None:
    before = contents(somebody)
    run = new_run(tmp_path, Settings(redis=somebody.url))
    with redis.Redis.from_url(run.ensure_redis().url) as client:
        client.set("of a test", 1)
    during = contents(somebody)
    run.close()

    assert {number: during[number] for number in before} == before
    assert len(during) == len(before) + 2
    assert contents(somebody) == before


@pytest.mark.slow
def test_a_lease_that_is_held_is_left_alone_and_one_of_a_killed_process_is_ended(
    somebody: RedisServer, held: tuple[subprocess.Popen[str], int]
) -> None:
    holder, number = held
    alive = sweep_at(somebody.address, look=False)
    with client_of(somebody, number) as client:
        kept = client.keys()
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    dead = sweep_at(somebody.address, look=False)

    assert (alive, kept) == ([], [b"of a test"])
    assert dead == [number]
    assert set(contents(somebody)) == {0, 2}


@pytest.mark.slow
def test_the_next_run_ends_the_lease_of_a_killed_one(
    somebody: RedisServer,
    held: tuple[subprocess.Popen[str], int],
    new_run: Callable[..., Run],
    tmp_path: Path,
) -> None:
    holder, number = held
    holder.send_signal(signal.SIGKILL)
    holder.wait()

    assert new_run(tmp_path, Settings(redis=somebody.url)).ensure_redis().database == number


def test_a_lease_that_was_never_taken_empties_nothing(somebody: RedisServer) -> None:
    """Its process was killed between asking for the database and finding it full."""
    before = contents(somebody)
    asked = {"holder": "x", "owner": owner_text(ended_process()), "taken": False}
    with client_of(somebody, 15) as registry:
        registry.hset("testkit:leases", mapping={"0": json.dumps(asked), "3": '{"v": 2}'})
        swept = sweep_at(somebody.address, look=False)
        left = registry.hgetall("testkit:leases")
        registry.delete("testkit:leases")

    assert swept == [0]
    assert left == {b"3": b'{"v": 2}'}
    assert contents(somebody) == before


def test_a_lease_that_was_lost_is_told_and_nothing_is_emptied(
    somebody: RedisServer, new_run: Callable[..., Run], tmp_path: Path
) -> None:
    run = new_run(tmp_path, Settings(redis=somebody.url))
    server = run.ensure_redis()
    assert run.redis_lease is not None
    keyspace = LeasedKeyspace(server.address, run.redis_lease.check)
    with client_of(somebody, 15) as registry:
        registry.hset("testkit:leases", str(server.database), "somebody else's")
    with redis.Redis.from_url(server.url) as client:
        client.set("theirs", 1)
        with pytest.raises(TestkitError, match="TK115"):
            keyspace.finish()
        run.close()
        keys = client.keys()
    keyspace.close()

    assert keys == [b"theirs"]


def test_a_lease_survives_the_end_of_an_idle_connection(
    somebody: RedisServer, new_run: Callable[..., Run], tmp_path: Path
) -> None:
    run = new_run(tmp_path, Settings(redis=somebody.url))
    run.ensure_redis()
    assert run.redis_lease is not None
    with client_of(somebody, 0) as client:
        name = f"testkit-lease-{run.token}-main"
        for each in client.client_list():
            if each["name"] == name:
                client.client_kill_filter(_id=each["id"])
        run.redis_lease.check()
        names = {each["name"] for each in client.client_list()}

    assert name in names


def test_with_no_empty_database_an_error_says_what_to_do(
    somebody: RedisServer, new_run: Callable[..., Run], tmp_path: Path
) -> None:
    for number in range(16):
        with client_of(somebody, number) as client:
            client.set("till", 1)
    before = contents(somebody)
    run = new_run(tmp_path, Settings(redis=somebody.url))
    with pytest.raises(TestkitError, match="TK114") as caught:
        run.ensure_redis()

    assert f"None of the 16 databases of 127.0.0.1:{somebody.port}" in str(caught.value)
    assert run.redis_address().port == 1
    assert contents(somebody) == before


def test_a_disposable_server_is_used_whole(
    somebody: RedisServer, new_run: Callable[..., Run], tmp_path: Path
) -> None:
    for number in range(16):
        with client_of(somebody, number) as client:
            client.set("till", 1)
    settings = Settings(redis=somebody.url, redis_disposable=True)
    server = new_run(tmp_path, settings).ensure_redis()
    with redis.Redis.from_url(server.url) as client:
        size = client.dbsize()

    assert (server.database, size) == (14, 0)


def test_a_server_that_cannot_be_reached_is_named_without_its_password(
    new_run: Callable[..., Run], tmp_path: Path
) -> None:
    run = new_run(tmp_path, Settings(redis="redis://u:hunter2@127.0.0.1:1"))
    with pytest.raises(TestkitError, match="TK110") as caught:
        run.ensure_redis()

    assert "redis at 127.0.0.1:1 did not answer" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_keyspace_undoes_keys_of_its_own_database_only(
    somebody: RedisServer, new_run: Callable[..., Run], tmp_path: Path
) -> None:
    before = contents(somebody)
    server = new_run(tmp_path, Settings(redis=somebody.url)).ensure_redis()
    keyspace = LeasedKeyspace(server.address)
    with redis.Redis.from_url(server.url) as client, client_of(somebody, 0) as foreign:
        listener = foreign.pubsub()
        listener.subscribe("news")
        since = keyspace.changes()
        client.set("kept", "by a fixture", ex=1000)
        client.sadd("set", *range(100))
        keyspace.claim(1, since=since)
        client.set("kept", "changed")
        client.delete("set")
        client.set("more", 1)
        keyspace.finish()
        found = (sorted(client.keys()), client.get("kept"), client.scard("set"))
        expires = client.ttl("kept")
        keyspace.end(1)
        nothing = client.dbsize()
        subscribed = client.pubsub_numsub("news")
    listener.close()
    keyspace.close()

    assert found == ([b"kept", b"set"], b"by a fixture", 100)
    assert 0 < expires <= 1000
    assert nothing == 0
    assert subscribed == [(b"news", 1)]
    assert {number: contents(somebody)[number] for number in before} == before


@pytest.mark.slow
def test_a_suite_runs_in_parallel_on_it_and_leaves_it_as_it_was(
    somebody: RedisServer, tmp_path: Path
) -> None:
    before = contents(somebody)
    suite = Suite(
        tmp_path / "suite",
        test_it="""
        import os
        import pytest
        import redis

        @pytest.mark.parametrize("n", range(8))
        def test_it(n):
            with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
                assert client.dbsize() == 0
                client.set("a", n)
        """,
    )
    suite.configure('env = { REDIS_URL = "{redis.url}" }')
    outcome = suite.run("-n", "2", TESTKIT_REDIS=somebody.url)

    outcome.check(passed=8)
    assert "external (127.0.0.1:" in outcome.text
    assert somebody.password not in outcome.text
    assert contents(somebody) == before


@pytest.mark.slow
def test_more_workers_than_empty_databases_end_the_run_with_one_error(
    somebody: RedisServer, tmp_path: Path
) -> None:
    for number in range(3, 16):
        with client_of(somebody, number) as client:
            client.set("till", 1)
    suite = Suite(tmp_path / "suite", test_it="def test_it(): pass")
    suite.configure('env = { REDIS_URL = "{redis.url}" }')
    outcome = suite.run("-n", "2", TESTKIT_REDIS=somebody.url)

    assert outcome.code == 3, outcome.text
    assert outcome.text.count("TK114: ") == 1
