"""The containers that carry our labels: listed, and removed when their owner is gone."""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import TYPE_CHECKING, Any, Final

import docker
import docker.errors

from testkit.servers.ownership.records import owner_in, state_of
from testkit.servers.ownership.verdicts import DEAD, UNJUDGED, Leftover, State
from testkit.system.processes import here

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "LABEL_KIND",
    "LABEL_OWNER",
    "LABEL_RUN",
    "LABEL_USER",
    "list_containers",
    "remove",
    "remove_container",
    "remove_orphan",
    "sweep_containers",
]

LABEL_OWNER: Final = "testkit.owner"
LABEL_RUN: Final = "testkit.run"
LABEL_USER: Final = "testkit.user"
LABEL_KIND: Final = "testkit.kind"
_REMOVAL_SECONDS: Final = 20.0
_PAUSE_SECONDS: Final = 0.02
_START_SECONDS: Final = (
    3600  # that a container of another machine has between "created" and "running"
)


def list_containers(client: docker.DockerClient) -> Iterator[Leftover]:
    """Yield the containers of this user; ``path`` is the name."""
    for facts in _listed(client):
        owner = owner_in(facts["Labels"][LABEL_OWNER])
        yield Leftover(
            "container",
            _name(facts),
            owner.pid if owner is not None else None,
            max(0, int(time.time() - facts["Created"])),
            _state(facts),
            facts["Labels"].get(LABEL_RUN, ""),
        )


def remove_container(client: docker.DockerClient, name: str) -> None:
    """Remove a container whose owner is gone, with its volumes. Raises OSError for another one."""
    for facts in _listed(client):
        if _name(facts) == name:
            if _state(facts) != DEAD:
                raise OSError("it is not what it was a moment ago")
            remove(client, facts["Id"])


def remove(client: docker.DockerClient, name: str) -> None:
    """Remove a container by name or id, with its volumes; return when it is gone.

    Somebody else may be removing it, or Docker still be making it. Raises APIError where it stays.
    """
    deadline = time.monotonic() + _REMOVAL_SECONDS
    while True:
        try:
            client.api.remove_container(name, force=True, v=True)
        except docker.errors.NotFound:
            return
        except docker.errors.APIError:
            if time.monotonic() > deadline:
                raise
            with contextlib.suppress(docker.errors.APIError):
                client.api.unpause(name)  # a test may have paused it
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def remove_orphan(order: Path) -> None:
    """Remove the container of an order whose own process was killed, as far as Docker answers."""
    facts = json.loads(order.read_text())
    with (
        contextlib.suppress(docker.errors.DockerException, OSError),
        contextlib.closing(docker.DockerClient(base_url=facts["docker"])) as client,
    ):
        remove(client, facts["name"])


def sweep_containers(client: docker.DockerClient) -> None:
    """Remove all containers of this user whose owner is gone."""
    for left in list_containers(client):
        if left.state == DEAD:
            with contextlib.suppress(docker.errors.APIError, OSError):  # another run sweeps, too
                remove_container(client, left.path)


def _state(facts: dict[str, Any]) -> State:
    owner = owner_in(facts["Labels"][LABEL_OWNER])
    if owner is not None and owner.boot != here()[0] and not _has_ended(facts):
        # Not of before our last start, or it would not run: another machine uses this Docker too.
        return UNJUDGED
    return state_of(owner)


def _has_ended(facts: dict[str, Any]) -> bool:
    if facts["State"] == "created":
        return bool(time.time() - facts["Created"] > _START_SECONDS)
    return facts["State"] in ("exited", "dead")


def _listed(client: docker.DockerClient) -> list[dict[str, Any]]:
    labels = [LABEL_OWNER, f"{LABEL_USER}={os.geteuid()}"]
    # Not client.containers.list: it looks at each one again, and one may be gone by then.
    found: list[dict[str, Any]] = client.api.containers(all=True, filters={"label": labels})
    return found


def _name(facts: dict[str, Any]) -> str:
    return str(facts["Names"][0]).removeprefix("/")
