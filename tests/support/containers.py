"""The Docker of this machine, and the containers of one run."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from testkit.servers.containers.images import docker_at
from testkit.servers.programs.binaries import ClosedRoadError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["containers_of", "docker_client"]


@contextlib.contextmanager
def docker_client() -> Iterator[Any]:
    """Give Docker's own client for the Docker that testkit would find; skip where there is none."""
    docker = pytest.importorskip("docker")
    try:
        address = docker_at(os.environ, Path.home())
    except ClosedRoadError as road:
        pytest.skip(f"no containers here: {road.reason}")
    with contextlib.closing(docker.DockerClient(base_url=address)) as found:
        yield found


def containers_of(client: Any, token: str) -> list[str]:
    """Return the names of the containers of a run, sorted."""
    # Not client.containers.list: it looks at each one again, and one may be gone by then.
    found = client.api.containers(all=True, filters={"label": f"testkit.run={token}"})
    return sorted(container["Names"][0].removeprefix("/") for container in found)
