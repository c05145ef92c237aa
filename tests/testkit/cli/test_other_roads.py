"""The commands on servers in containers, on servers of others, and on those that stand."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from testkit.core.options import Settings
from testkit.servers.containers.images import docker_at
from testkit.servers.programs.binaries import ClosedRoadError
from testkit.system.processes import identify
from tests.support.commands import called, held_run, servers_in
from tests.support.runs import new_run
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from testkit.servers.run import Run

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pyproject.toml").write_text("")
    return folder


@pytest.fixture
def somebody(tmp_path: Path) -> Iterator[Run]:
    """Servers that somebody else runs, in a checkout of somebody else's."""
    run = new_run(tmp_path / "somebody", Settings())
    run.ensure_postgres()
    run.ensure_redis()
    yield run
    run.close()


@pytest.fixture(params=["docker", "external", "standing"])
def road(request: pytest.FixtureRequest, project: Path) -> Iterator[dict[str, str]]:
    """Variables that lead a run along a road."""
    if request.param == "docker":
        _docker()
        yield {"TESTKIT_POSTGRES": "docker", "TESTKIT_REDIS": "docker"}
    elif request.param == "external":
        servers: Run = request.getfixturevalue("somebody")
        yield {
            "TESTKIT_POSTGRES": servers.ensure_postgres().url,
            "TESTKIT_REDIS": servers.ensure_redis().url,
        }
    else:
        assert called("up", folder=project).returncode == 0
        yield {}
        called("down", folder=project)


def _docker() -> str:
    pytest.importorskip("docker")
    try:
        return docker_at(os.environ, Path.home())
    except ClosedRoadError as closed:
        pytest.skip(f"no containers here: {closed.reason}")


def secrets_of(servers: dict[str, dict[str, Any]], variables: dict[str, str]) -> list[str]:
    found = [url.split(":")[2].partition("@")[0] for url in variables.values() if "://" in url]
    return [word for word in found if word in json.dumps(servers)]


def test_a_command_runs_on_it_is_listed_and_can_be_looked_into(
    road: dict[str, str], project: Path
) -> None:
    with held_run(project, **road) as owner:
        listed = servers_in(project, owner.pid, **road)
        sql = "CREATE TABLE made (id int); SELECT count(*) FROM made"
        asked = called("psql", "--", "-qAtc", sql, folder=project, **road)
        set_ = called("redis-cli", "SET", "a", "1", folder=project, **road)
        told = called("redis-cli", "--", "SET", "a", "1", folder=project, **road)
        read = called("redis-cli", text="GET a\n", folder=project, **road)
    after = servers_in(project, owner.pid, **road)

    assert {kind: s["state"] for kind, s in listed.items()} == {
        "postgres": "in use",
        "redis": "in use",
    }
    assert listed["postgres"]["started_by"] == "testkit run"
    assert (listed["postgres"]["container"] is not None) == ("docker" in road.values())
    assert secrets_of(listed, road) == []
    assert (asked.returncode, asked.stdout) == (0, "0\n"), asked.stderr
    assert set_.returncode == 2
    assert (told.returncode, told.stdout) == (0, "OK\n"), told.stderr
    assert (read.returncode, read.stdout.strip()) == (0, "1")
    assert after == {}


def test_reap_drops_what_a_killed_run_left_on_servers_of_others(
    somebody: Run, project: Path
) -> None:
    road = {
        "TESTKIT_POSTGRES": somebody.ensure_postgres().url,
        "TESTKIT_REDIS": somebody.ensure_redis().url,
    }
    with held_run(project, **road) as owner, held_run(project, **road) as neighbour:
        alive = reaped(project, "--dry-run", **road)
        _killed(owner)
        looked = reaped(project, "--dry-run", **road)
        done = reaped(project, **road)
        again = reaped(project, **road)
        works = called("psql", "--", "-Atc", "SELECT 1", folder=project, **road)
        assert neighbour.poll() is None

    assert alive == []
    assert sorted(kind for kind, _ in looked) == ["database", "lease"]
    assert done == looked
    assert again == []
    assert works.stdout == "1\n"


def test_reap_says_which_server_of_others_did_not_answer(project: Path) -> None:
    road = {"TESTKIT_POSTGRES": "postgresql://u:hunter2@127.0.0.1:1/x"}
    done = called("reap", "--format", "json", folder=project, **road)

    assert done.returncode == 3
    assert "TK507" in done.stderr
    assert "127.0.0.1:1" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr


def test_reap_removes_a_container_whose_keepers_were_killed(project: Path) -> None:
    docker = pytest.importorskip("docker")
    me = identify(os.getpid())
    assert me is not None
    gone = {"pid": me.pid, "started": "another", "boot": me.boot, "namespace": me.namespace}
    labels = {"testkit.user": str(os.geteuid()), "testkit.owner": json.dumps(gone)}
    seen = False
    with contextlib.closing(docker.DockerClient(base_url=_docker())) as client:
        for _ in range(5):  # any other run on the machine may take it away before we look
            name = f"testkit-test-{secrets.token_hex(4)}"
            client.containers.create("redis:7", name=name, labels=labels)
            seen |= name in called("ps", folder=project).stdout
            reaped(project)
            left = [c["Names"] for c in client.api.containers(all=True, filters={"name": name})]
            assert left == []
            if seen:
                break

    assert seen


def reaped(folder: Path, *options: str, **variables: str) -> list[tuple[str, str]]:
    """Return what was removed from servers of others, or would be."""
    done = called("reap", *options, "--format", "json", folder=folder, **variables)

    assert done.returncode == 0, done.stderr
    steps = json.loads(done.stdout)["steps"]
    return [(s["what"], s["path"]) for s in steps if s["what"] in ("database", "lease")]


def _killed(owner: subprocess.Popen[str]) -> None:
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    wait_until(lambda: identify(owner.pid) is None)


FACTORIES = """
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from testkit.factories import Factory

class Base(DeclarativeBase):
    pass

class Shop(Base):
    __tablename__ = "shop"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)

class ShopFactory(Factory[Shop]):
    pass
"""


@pytest.mark.soak
def test_the_doctor_tries_factories_on_any_road(project: Path, road: dict[str, str]) -> None:
    (project / "factories.py").write_text(FACTORIES)
    done = called("doctor", "--select", "factories", folder=project, **road)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "in 1 factory " in done.stdout
