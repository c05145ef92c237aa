"""Keeps one container: ``python -m testkit.servers.containers.container ORDER``.

The child of a keeper (see ``keeper.py``), as a server's program would be: it ends when the
container ends, prints the container's log, and at SIGTERM (sent by the keeper, or by the kernel
when the keeper is killed) removes the container and ends. So a container goes when its owner goes,
whether or not testcontainers' own reaper can be had.

Fields of the order, a JSON file that only its owner can read: ``image``, ``name``, ``port`` and
``inside`` (where it is published on the loopback, and what), ``environment``, ``command``,
``files`` (paths in the container and their texts), ``data`` (a variable of the image that names its
data directory, which is put into RAM, or null) and the directory to fall back on, ``labels``.
What comes of it is written beside the order: ``container.json``, or ``problem.json`` with what
failed (``image`` or ``container``) and Docker's reason.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import docker
import docker.errors
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from testkit.servers.containers.disturbed import DOWN
from testkit.servers.containers.owned import remove, sweep_containers
from testkit.system.files import write_private

if TYPE_CHECKING:
    from docker.models.containers import Container

__all__ = ["main"]


_PAUSE_SECONDS: Final = 0.05  # between two looks at a container that is down


class _Stop(BaseException):
    """We were told to end."""


class _Signals:
    """SIGTERM ends what may be interrupted; during the rest it waits."""

    def __init__(self) -> None:
        self.told = self._held = False
        signal.signal(signal.SIGTERM, self._note)

    def _note(self, *_: object) -> None:
        self.told = True
        if not self._held:
            raise _Stop

    @contextlib.contextmanager
    def held(self) -> Any:
        """Let nothing be interrupted within."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self.told:
            raise _Stop


def main() -> None:
    """Start the container, print its log until it ends, remove it."""
    signals = _Signals()
    place = Path(sys.argv[1])
    order: dict[str, Any] = json.loads(place.read_text())
    # Ours: the keeper removes it, and where that is killed the next run does.
    testcontainers_config.ryuk_disabled = True
    container = DockerContainer(order["image"])
    client = container.get_docker_client().client
    code = 1
    try:
        data = _prepared(client, container, order, place)
        with signals.held():
            started = _started(container)
        write_private(
            place.with_name("container.json"),
            json.dumps({"id": started.id, "data": data}),
        )
        sweep_containers(client)
        _print_log(started, place.with_name(DOWN))
        code = int(started.wait()["StatusCode"])
    except _ProblemError as problem:
        write_private(place.with_name("problem.json"), json.dumps(problem.args))
    except _Stop:
        pass
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        remove(client, order["name"])
    raise SystemExit(code)


def _print_log(container: Container, down: Path) -> None:
    """Print it until the container ends; while ``down`` is there, somebody will start it again."""
    since: int | None = None
    while True:
        for chunk in container.logs(stream=True, follow=True, since=since):
            os.write(1, chunk)
        # Looked for first: it goes when the container runs again.
        expected = down.exists()
        container.reload()
        if container.status != "running" and not expected:
            return
        since = int(time.time())
        time.sleep(_PAUSE_SECONDS)


class _ProblemError(Exception):
    """What kept the container from starting: a word for it, and Docker's reason."""


def _prepared(
    client: docker.DockerClient, container: DockerContainer, order: dict[str, Any], place: Path
) -> str | None:
    """Have the image, and say what the container is to be; answer its data directory."""
    try:
        image = client.images.get(container.image)
    except docker.errors.ImageNotFound:
        write_private(place.with_name("pulling"), container.image)
        try:
            image = client.images.pull(container.image)
        except docker.errors.APIError as error:
            raise _ProblemError("image", _words(error)) from error
    data = None
    if order["data"] is not None:
        variable, otherwise = order["data"]
        entries = dict(text.split("=", 1) for text in image.attrs["Config"]["Env"] or ())
        data = entries.get(variable, otherwise)
        container.env[variable] = data
        container.with_tmpfs_mount(data)
    container.env.update(order["environment"])
    container.with_command(order["command"])
    container.with_name(order["name"])
    for path, text in order["files"].items():
        container.with_copy_into_container(text.encode(), path)
    container.with_kwargs(labels=order["labels"], detach=True)
    # On the loopback only: with_bind_ports knows no address.
    container.ports[f"{order['inside']}/tcp"] = ("127.0.0.1", order["port"])  # type: ignore[assignment]  # docker-py's own form
    return data


def _started(container: DockerContainer) -> Container:
    try:
        return container.start().get_wrapped_container()
    except docker.errors.APIError as error:
        raise _ProblemError("container", _words(error)) from error


def _words(error: docker.errors.APIError) -> str:
    return " ".join(str(error.explanation or error).split())


if __name__ == "__main__":
    main()
