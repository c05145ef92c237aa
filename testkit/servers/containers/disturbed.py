"""A container that is paused, killed and started again while a process keeps it."""

from __future__ import annotations

import contextlib
import errno
import json
import time
from typing import TYPE_CHECKING, Final, Literal

import docker
import docker.errors

from testkit.servers.programs.launch import ORDER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker.models.containers import Container

    from testkit.servers.programs.launch import KeptServer

__all__ = ["DOWN", "DisturbedContainer"]

#: In the directory of the process that keeps it: its end is no end.
DOWN: Final = "down"
_PAUSE_SECONDS: Final = 0.02
_KILL_SECONDS: Final = 20.0


class DisturbedContainer:
    """A container of ours; obeys the words of ``KeptServer.tell``, and raises the same."""

    def __init__(self, kept: KeptServer) -> None:
        self._order = json.loads((kept.directory / ORDER).read_text())
        self._down = kept.directory / DOWN

    def tell(self, word: Literal["pause", "resume", "kill", "start"]) -> None:
        """Pause, resume, kill or start it; return when that is done."""
        with self._container() as container:
            match word:
                case "pause":
                    container.pause()
                case "resume":
                    container.unpause()
                case "kill":
                    self._down.touch()
                    if container.status in {"running", "paused"}:
                        container.kill()
                    _await_end(container)
                case "start":
                    container.start()
                    self._down.unlink()

    def remove(self, path: str) -> None:
        """Remove a file in the running container."""
        with self._container() as container:
            container.exec_run(["rm", "-f", path])

    @contextlib.contextmanager
    def _container(self) -> Iterator[Container]:
        try:
            client = docker.DockerClient(base_url=self._order["docker"])
            with contextlib.closing(client):
                yield client.containers.get(self._order["name"])
        except docker.errors.DockerException as error:
            name = self._order["name"]
            raise ProcessLookupError(errno.ESRCH, f"container {name}: {error}") from error


def _await_end(container: Container) -> None:
    deadline = time.monotonic() + _KILL_SECONDS
    while time.monotonic() < deadline:
        container.reload()
        if container.status == "exited":
            return
        time.sleep(_PAUSE_SECONDS)
