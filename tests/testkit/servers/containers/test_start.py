"""Containers: gone with their owner whatever happens, and errors that say what Docker said."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from testkit.core.messages import TestkitError
from testkit.core.options import Settings
from testkit.servers.containers.images import docker_redis
from testkit.servers.containers.owned import remove, sweep_containers
from testkit.servers.containers.start import wait_for_container
from testkit.system.processes import ProcessIdentity, identify, is_alive
from tests.support.alembic_project import AlembicProject
from tests.support.containers import containers_of, docker_client
from tests.support.processes import children_of
from tests.support.runs import kept_of
from tests.support.suites import Suite
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from testkit.servers.run import Run

pytestmark = pytest.mark.slow

DOCKER = Settings(postgres="docker", redis="docker")
HOLD_CONTAINERS = """
import os, pathlib, secrets, sys
from testkit.core.options import Settings
from testkit.isolation.template import JournalTemplate
from testkit.servers.run import Run
from testkit.system.processes import identify
me = identify(os.getpid())
run = Run(token=secrets.token_hex(4), owner=me, me=me, worker="main", workers=1,
          settings=Settings(postgres="docker", redis="docker"), root=pathlib.Path.cwd(),
          cache=pathlib.Path(sys.argv[1]), finish=JournalTemplate(), progress=lambda words: None)
run.ensure_redis(); run.ensure_postgres()
print(run.token, run.postgres.kept.keeper.pid, run.redis.kept.keeper.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def client() -> Iterator[Any]:
    """Docker's own client, for the Docker that testkit would find."""
    with docker_client() as found:
        yield found


def ids(client: Any) -> set[str]:
    return {container["Id"] for container in client.api.containers(all=True)}


@pytest.fixture
def holder(
    client: Any, machine_cache: Path, tmp_path: Path
) -> Iterator[tuple[Any, str, list[int]]]:
    """A process that holds two containers, its token and the pids of its keepers."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_CONTAINERS, str(machine_cache)],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        token, *keepers = process.stdout.readline().split()
        yield process, token, [int(pid) for pid in keepers]
        process.kill()


def test_both_are_gone_when_their_owner_was_killed(
    client: Any, holder: tuple[Any, str, list[int]]
) -> None:
    process, token, _ = holder
    during = containers_of(client, token)
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_until(lambda: not containers_of(client, token))

    user = os.geteuid()
    assert during == [f"testkit-{user}-{token}-postgres", f"testkit-{user}-{token}-redis-main"]


def test_a_keeper_that_is_killed_takes_its_container_along(
    client: Any, holder: tuple[Any, str, list[int]]
) -> None:
    _, token, keepers = holder
    during = len(containers_of(client, token))
    for pid in keepers:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not containers_of(client, token))

    assert during == 2


def test_what_nobody_could_remove_is_swept_by_the_next_run_and_nothing_of_others(
    client: Any, holder: tuple[Any, str, list[int]], new_run: Callable[..., Run], tmp_path: Path
) -> None:
    _, token, _ = holder
    me = identify(os.getpid())
    assert me is not None
    gone = ProcessIdentity(me.pid, "another", me.boot, me.namespace)
    made = []
    for owner in (json.dumps({"pid": 1}), *(json.dumps(_facts(each)) for each in (me, gone))):
        labels = {"testkit.owner": owner, "testkit.user": str(os.geteuid())}
        made.append(client.containers.create("redis:7", labels=labels))
    stranger = client.containers.create("redis:7")
    try:
        new_run(tmp_path, DOCKER).ensure_redis()
        wait_until(lambda: made[2].id not in ids(client))
        left = ids(client)
    finally:
        for container in (*made, stranger):
            with contextlib.suppress(Exception):  # the one that was swept
                container.remove(force=True)

    assert {made[0].id, made[1].id, stranger.id} <= left
    assert len(containers_of(client, token)) == 2


def _labels_of_elsewhere() -> dict[str, str]:
    """Return the labels of a container whose owner runs on another machine."""
    me = identify(os.getpid())
    assert me is not None
    elsewhere = {**_facts(me), "boot": "of another machine"}
    return {"testkit.owner": json.dumps(elsewhere), "testkit.user": str(os.geteuid())}


def _facts(owner: ProcessIdentity) -> dict[str, object]:
    return {
        "pid": owner.pid,
        "started": owner.started,
        "boot": owner.boot,
        "namespace": owner.namespace,
    }


def test_the_data_lies_in_ram_where_the_image_says(
    client: Any, new_run: Callable[..., Run], tmp_path: Path
) -> None:
    run = new_run(tmp_path, DOCKER)
    server = run.ensure_postgres()
    container = client.containers.get(f"{run.directory.name}-postgres")
    variables = dict(text.split("=", 1) for text in container.image.attrs["Config"]["Env"])
    code, mounts = container.exec_run(["/bin/cat", "/proc/mounts"])
    with server.connect() as connection:
        row = connection.execute("SHOW data_directory").fetchone()

    assert code == 0
    assert row == (variables["PGDATA"],)
    assert f"tmpfs {variables['PGDATA']} tmpfs" in mounts.decode()
    assert f"data in RAM at {variables['PGDATA']}" in server.reason


def test_it_is_published_on_the_loopback_only_and_no_password_is_in_its_command(
    client: Any, new_run: Callable[..., Run], tmp_path: Path
) -> None:
    run = new_run(tmp_path, DOCKER)
    postgres, cache = run.ensure_postgres(), run.ensure_redis()
    ports, commands = [], []
    for what in ("postgres", "redis-main"):
        facts = client.containers.get(f"{run.directory.name}-{what}").attrs
        ports += [entry for found in facts["NetworkSettings"]["Ports"].values() for entry in found]
        commands += [facts["Path"], *facts["Args"]]

    assert ports == [
        {"HostIp": "127.0.0.1", "HostPort": str(port)} for port in (postgres.port, cache.port)
    ]
    assert [word for word in commands if postgres.password in word or cache.password in word] == []


def test_an_image_that_cannot_be_had_is_named_with_dockers_reason(
    client: Any, new_run: Callable[..., Run], tmp_path: Path
) -> None:
    settings = Settings(postgres="docker", postgres_image="127.0.0.1:1/nobody/nothing:0")
    run = new_run(tmp_path, settings)
    with pytest.raises(TestkitError, match="TK107") as caught:
        run.ensure_postgres()

    assert "127.0.0.1:1/nobody/nothing:0 is not on this machine and cannot be pulled" in str(
        caught.value
    )
    assert containers_of(client, run.token) == []


def test_a_container_that_docker_refuses_is_told_with_its_reason(
    client: Any, new_run: Callable[..., Run], tmp_path: Path
) -> None:
    run = new_run(tmp_path, DOCKER)
    port = run.database_address().port
    with (
        socket.create_server(("127.0.0.1", port), reuse_port=False),
        pytest.raises(TestkitError, match="TK108") as caught,
    ):
        run.ensure_postgres()

    assert str(port) in str(caught.value)
    assert containers_of(client, run.token) == []


def test_an_extension_that_the_image_lacks_closes_the_road(
    client: Any, new_run: Callable[..., Run], tmp_path: Path
) -> None:
    run = new_run(tmp_path, Settings(postgres="docker", extensions=("nonesuch",)))
    with pytest.raises(TestkitError, match="TK102") as caught:
        run.ensure_postgres()

    assert "docker: image postgres:18" in str(caught.value)
    assert "it has no extension nonesuch" in str(caught.value)
    assert containers_of(client, run.token) == []


def test_a_migration_that_fails_leaves_no_container(
    client: Any, new_run: Callable[..., Run], tmp_path: Path
) -> None:
    project = AlembicProject(tmp_path)
    project.version("0002", 'op.execute("SELECT 1/0")', after="0001")
    run = new_run(project.root, Settings(postgres="docker", schema="alembic"))
    with pytest.raises(TestkitError, match="TK201"):
        run.ensure_database()

    assert containers_of(client, run.token) == []


def test_a_container_that_ends_is_noticed(
    client: Any, new_run: Callable[..., Run], tmp_path: Path
) -> None:
    run = new_run(tmp_path, DOCKER)
    kept = kept_of(run.ensure_postgres())
    client.containers.get(f"{run.directory.name}-postgres").kill()
    wait_until(lambda: kept.has_ended() is not None)

    assert kept.has_ended() == "exit code 137"
    assert "database system is ready" in kept.log.read_text()


def test_a_container_that_runs_and_is_never_reached_is_told_with_the_last_failure(
    client: Any, new_run: Callable[..., Run], tmp_path: Path
) -> None:
    run = new_run(tmp_path, DOCKER)
    kept = kept_of(run.ensure_redis())

    with pytest.raises(TestkitError, match="TK101") as caught:
        wait_for_container(run, docker_redis(DOCKER), kept, lambda: "no\nroute", seconds=0.1)

    assert "the container runs, but did not answer for 0.1 s (no route)" in str(caught.value)
    assert not containers_of(client, run.token)


@pytest.mark.parametrize(
    "variables",
    [
        pytest.param({"TESTCONTAINERS_RYUK_DISABLED": "true"}, marks=pytest.mark.soak),
        pytest.param({"TESTCONTAINERS_RYUK_DISABLED": "false"}, marks=pytest.mark.soak),
        {"RYUK_CONTAINER_IMAGE": "127.0.0.1:1/nobody/ryuk:0"},
    ],
)
def test_a_suite_runs_in_parallel_with_the_reaper_on_off_or_not_to_be_had(
    client: Any, tmp_path: Path, variables: dict[str, str]
) -> None:
    suite = Suite(
        tmp_path / "suite",
        test_it="""
        import os
        import pathlib
        import pytest
        import redis
        from sqlalchemy import create_engine, text

        @pytest.mark.parametrize("n", range(6))
        def test_it(n):
            pathlib.Path("run").write_text(os.environ["TESTKIT_RUN"])
            with create_engine(os.environ["DATABASE_URL"]).begin() as connection:
                assert connection.scalar(text("SELECT count(*) FROM thing")) == 0
                connection.execute(text("INSERT INTO thing VALUES (1)"))
            with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
                assert client.incr("count") == 1
        """,
        models="""
        from sqlalchemy import Column, Integer, MetaData, Table

        metadata = MetaData()
        Table("thing", metadata, Column("id", Integer, primary_key=True))
        """,
    )
    suite.configure("""
        schema = "metadata:models:metadata"
        postgres = "docker"
        redis = "docker"
        env = { DATABASE_URL = "{database.url}", REDIS_URL = "{redis.url}" }
    """)
    outcome = suite.run("-n", "2", timeout=120, **variables)

    outcome.check(passed=6)
    assert "docker (image postgres:18, data in RAM at " in outcome.text
    assert containers_of(client, (suite.folder / "run").read_text().partition(":")[0]) == []


def test_a_container_goes_with_the_run_also_when_the_process_that_keeps_it_was_killed(
    client: Any, new_run: Callable[..., Run], tmp_path: Path
) -> None:
    run = new_run(tmp_path, DOCKER)
    kept = kept_of(run.ensure_redis())
    for child in children_of(kept.keeper.pid):
        os.kill(child, signal.SIGKILL)
    wait_until(lambda: kept.killed)
    there = containers_of(client, run.token)
    run.close()

    assert len(there) == 1
    assert containers_of(client, run.token) == []


def test_a_running_container_of_another_machine_is_not_judged(client: Any) -> None:
    container = client.containers.run("redis:7", labels=_labels_of_elsewhere(), detach=True)
    try:
        sweep_containers(client)
        runs = container.id in ids(client)
        container.kill()
        sweep_containers(client)
        left = container.id in ids(client)
    finally:
        with contextlib.suppress(Exception):
            container.remove(force=True)

    assert (runs, left) == (True, False)


def test_a_container_of_another_machine_that_is_about_to_start_is_not_judged(client: Any) -> None:
    container = client.containers.create("redis:7", labels=_labels_of_elsewhere())
    try:
        sweep_containers(client)

        assert container.id in ids(client)
    finally:
        container.remove(force=True)


def test_a_container_that_many_remove_at_once_is_gone_for_each_of_them(client: Any) -> None:
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            container = client.containers.run("redis:7", detach=True)
            together = threading.Barrier(8)

            def removed(name: str, together: threading.Barrier = together) -> bool:
                together.wait()
                remove(client, name)
                return name in ids(client)

            assert list(pool.map(removed, [container.id] * 8)) == [False] * 8


def test_the_process_that_keeps_it_ends_with_the_run(
    client: Any, new_run: Callable[..., Run], tmp_path: Path
) -> None:
    run = new_run(tmp_path, DOCKER)
    kept = kept_of(run.ensure_redis())
    alive = is_alive(kept.keeper)
    run.close()

    assert (alive, is_alive(kept.keeper), kept.directory.exists()) == (True, False, False)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(run.database_address().url("libpq"), connect_timeout=2)
