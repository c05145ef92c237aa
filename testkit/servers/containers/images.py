"""The road ``docker``: container images, and the Docker that runs them.

Nothing of Docker's own client is loaded here: the process that keeps a container does that.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from testkit.servers.programs.binaries import ClosedRoadError
from testkit.system.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from testkit.core.options import Settings

__all__ = ["Image", "docker_at", "docker_postgres", "docker_redis", "docker_sockets"]

_POSTGRES_MAJORS: Final = range(18, 13, -1)
_REDIS: Final = "redis:7"
_ANSWER_SECONDS: Final = 5.0
_DOCKER_PORT: Final = 2375
_EXTRA: Final = 'pip install "cos-testkit[docker]"'
_STARTS: Final = (
    "start Docker (systemctl start docker, or Docker Desktop), or name it in DOCKER_HOST"
)


@dataclass(frozen=True, slots=True)
class Image:
    """An image, by name and tag, and the address of the Docker that runs it.

    ``passed_over`` says why earlier roads were not taken.
    """

    name: str
    docker: str
    passed_over: tuple[str, ...] = ()

    def reason(self, *words: str) -> str:
        """Return why this, and further words, for the header."""
        passed = f"; passed over: {', '.join(self.passed_over)}" if self.passed_over else ""
        return ", ".join((f"image {self.name}", *words)) + passed


def docker_postgres(settings: Settings) -> Image:
    """Return the image of Postgres that the settings ask for; raises ClosedRoadError."""
    docker = docker_at(os.environ, Path.home())
    return Image(settings.postgres_image or _official(settings.postgres_version), docker)


def docker_redis(settings: Settings) -> Image:
    """Return the image of Redis that the settings ask for; raises ClosedRoadError."""
    return Image(settings.redis_image or _REDIS, docker_at(os.environ, Path.home()))


def _official(version: str | None) -> str:
    """Return the newest official image whose version the condition allows."""
    if version is None:
        return f"postgres:{_POSTGRES_MAJORS[0]}"
    if version[0].isdigit():
        return f"postgres:{version}"
    from packaging.specifiers import SpecifierSet  # noqa: PLC0415 - 8 ms; few set a condition

    allowed = SpecifierSet(version)
    for major in _POSTGRES_MAJORS:
        # A tag without a minor version is the newest minor of it, whatever that is today.
        if f"{major}.99" in allowed or f"{major}.0" in allowed:
            return f"postgres:{major}"
    raise ClosedRoadError(
        f"no official image from {_POSTGRES_MAJORS[-1]} to {_POSTGRES_MAJORS[0]} meets"
        f" postgres_version = {version!r}",
        "name an image that does in postgres_image",
    )


def docker_at(environ: Mapping[str, str], home: Path) -> str:
    """Return the address of a Docker of this machine that answers; raises ClosedRoadError.

    Looked for as Docker's own client does: DOCKER_HOST, the context in use, then the usual sockets
    of Docker and of Podman.
    """
    for package in ("testcontainers", "docker"):
        if importlib.util.find_spec(package) is None:
            raise ClosedRoadError(f"the package {package} is not installed", _EXTRA)
    named = environ.get("DOCKER_HOST") or _of_context(environ, home)
    if named:
        problem = _problem(named)
        if problem:
            raise ClosedRoadError(problem, _STARTS)
        return named
    found = [path for path in docker_sockets(environ, home) if _exists(path)]
    problems = []
    for path in found:
        problem = _problem(f"unix://{path}")
        if problem is None:
            return f"unix://{path}"
        problems.append(problem)
    raise ClosedRoadError("; ".join(problems) or "no Docker is running here", _STARTS)


def docker_sockets(environ: Mapping[str, str], home: Path) -> Iterator[Path]:
    """Yield where the sockets of Docker, rootless Docker, Docker Desktop and Podman usually are."""
    yield Path("/var/run/docker.sock")
    runtime = environ.get("XDG_RUNTIME_DIR")
    if runtime:
        yield Path(runtime, "docker.sock")
    yield home / ".docker/run/docker.sock"
    if runtime:
        yield Path(runtime, "podman/podman.sock")
    yield Path("/run/podman/podman.sock")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a folder that we may not look into
        return False


def _of_context(environ: Mapping[str, str], home: Path) -> str | None:
    """Return the address that the context in use names, None for the default one."""
    folder = Path(environ.get("DOCKER_CONFIG") or home / ".docker")
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        config = {}
    name = environ.get("DOCKER_CONTEXT") or (
        isinstance(config, dict) and config.get("currentContext")
    )
    if not isinstance(name, str) or name in ("", "default"):
        return None
    place = folder / "contexts/meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json"
    try:
        host = json.loads(place.read_text("utf-8"))["Endpoints"]["docker"]["Host"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return host if isinstance(host, str) else None


def _problem(address: str) -> str | None:
    """Return why the Docker at this address cannot be used, None where it can."""
    parts = urlsplit(address)
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme != "unix" and not (parts.scheme in ("tcp", "http") and local):
        return (
            f"Docker at {address} is on another machine: ports that it publishes on its loopback"
            " cannot be reached from here"
        )
    family = socket.AF_UNIX if parts.scheme == "unix" else socket.AF_INET
    place = parts.path if parts.scheme == "unix" else (LOOPBACK, parts.port or _DOCKER_PORT)
    try:
        with socket.socket(family) as connection:
            connection.settimeout(_ANSWER_SECONDS)
            connection.connect(place)
            connection.sendall(b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n")
            answer = connection.recv(64)
    except OSError as error:
        return f"nothing answers at {address} ({error.strerror or error})"
    # Behind TLS it answers in other words, but it does answer: its client will know them.
    encrypted = parts.scheme == "tcp" and not answer.startswith(b"HTTP/")
    if encrypted or re.match(rb"HTTP/1\.\d 200", answer):
        return None
    return f"what answers at {address} is no Docker"
