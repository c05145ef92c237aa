"""Which Docker is found, and which image it is to run."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from testkit.core.options import Settings
from testkit.servers.containers import images
from testkit.servers.containers.images import docker_at, docker_sockets
from testkit.servers.programs.binaries import ClosedRoadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FINE = b"HTTP/1.1 200 OK\r\n\r\nOK"


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[Callable[[str, bytes], str]]:
    """Make sockets that give one answer to whatever they are asked."""
    listeners: list[socket.socket] = []

    def make(name: str, answer: bytes) -> str:
        listener = socket.socket(socket.AF_UNIX)
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        listener.bind(str(path))
        listener.listen()
        listeners.append(listener)

        def serve() -> None:
            with listener.accept()[0] as connection:
                connection.recv(1024)
                connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        return str(path)

    yield make
    for listener in listeners:
        listener.close()


def closed(environ: dict[str, str], home: Path) -> str:
    with pytest.raises(ClosedRoadError) as caught:
        docker_at(environ, home)

    assert "DOCKER_HOST" in caught.value.opens
    return caught.value.reason


def test_the_docker_that_the_environment_names_is_taken(
    answering: Callable[[str, bytes], str], tmp_path: Path
) -> None:
    address = f"unix://{answering('d', FINE)}"

    assert docker_at({"DOCKER_HOST": address}, tmp_path) == address


def test_a_docker_that_is_named_and_does_not_answer_closes_the_road(tmp_path: Path) -> None:
    reason = closed({"DOCKER_HOST": f"unix://{tmp_path}/nothing"}, tmp_path)

    assert reason == f"nothing answers at unix://{tmp_path}/nothing (No such file or directory)"


def test_what_answers_in_another_way_is_no_docker(
    answering: Callable[[str, bytes], str], tmp_path: Path
) -> None:
    path = answering("d", b"220 mail.example ESMTP")

    assert closed({"DOCKER_HOST": f"unix://{path}"}, tmp_path).endswith("is no Docker")


@pytest.mark.parametrize("address", ["tcp://10.9.8.7:2375", "ssh://me@build.example"])
def test_a_docker_on_another_machine_closes_the_road(address: str, tmp_path: Path) -> None:
    assert "is on another machine" in closed({"DOCKER_HOST": address}, tmp_path)


def test_the_context_in_use_is_followed(
    answering: Callable[[str, bytes], str], tmp_path: Path
) -> None:
    address = f"unix://{answering('c', FINE)}"
    folder = tmp_path / ".docker/contexts/meta" / hashlib.sha256(b"colima").hexdigest()
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text(json.dumps({"Endpoints": {"docker": {"Host": address}}}))
    (tmp_path / ".docker/config.json").write_text(json.dumps({"currentContext": "colima"}))

    assert docker_at({}, tmp_path) == address


@pytest.mark.parametrize("text", ["", "[]", '{"currentContext": 7}', '{"currentContext": "gone"}'])
def test_a_configuration_that_says_nothing_useful_is_passed_over(
    answering: Callable[[str, bytes], str], tmp_path: Path, text: str
) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text(text)
    address = f"unix://{answering('d', FINE)}"

    assert docker_at({"DOCKER_HOST": address}, tmp_path) == address


def test_the_sockets_of_docker_and_podman_are_looked_for(tmp_path: Path) -> None:
    found = [str(path) for path in docker_sockets({"XDG_RUNTIME_DIR": "/run/user/7"}, tmp_path)]

    assert found == [
        "/var/run/docker.sock",
        "/run/user/7/docker.sock",
        f"{tmp_path}/.docker/run/docker.sock",
        "/run/user/7/podman/podman.sock",
        "/run/podman/podman.sock",
    ]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "postgres:18"),
        ({"postgres_version": "16"}, "postgres:16"),
        ({"postgres_version": "16.4"}, "postgres:16.4"),
        ({"postgres_version": ">=15,<18"}, "postgres:17"),
        ({"postgres_version": "<17"}, "postgres:16"),
        ({"postgres_version": "<17", "postgres_image": "my/pg:17"}, "my/pg:17"),
    ],
)
def test_the_image_of_postgres_follows_the_settings(
    answering: Callable[[str, bytes], str],
    monkeypatch: pytest.MonkeyPatch,
    values: dict[str, str],
    expected: str,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{answering('d', FINE)}")

    assert images.docker_postgres(Settings(**values)).name == expected  # type: ignore[arg-type]  # texts only


def test_a_condition_that_no_official_image_meets_closes_the_road(
    answering: Callable[[str, bytes], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{answering('d', FINE)}")
    with pytest.raises(ClosedRoadError, match="no official image from 14 to 18"):
        images.docker_postgres(Settings(postgres_version=">=19"))
