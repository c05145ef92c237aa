"""A client program is of a version that fits the server, wherever it lies."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from testkit.core.options import Settings
from testkit.servers.kept.clients import Client, client_in_container, find_client_for, variables_for
from tests.support.containers import docker_client

if TYPE_CHECKING:
    from pathlib import Path

    from testkit.servers.postgres import PostgresServer
    from testkit.servers.run import Run

# No program of PostgreSQL: only what a test puts somewhere is found.
NAME = "pg_imagined"


def program(folder: Path, version: str) -> None:
    """Put a program there that says its version as those of PostgreSQL do."""
    folder.mkdir(parents=True)
    path = folder / NAME
    path.write_text(f"#!/bin/sh\necho '{NAME} (PostgreSQL) {version} (Debian 12)'\n")
    path.chmod(0o755)


Imagined = Callable[[str, str], Client | None]


@pytest.fixture
def imagined(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Imagined:
    """What is found for a server of version 16: one beside its own, the other on PATH."""

    def find(beside: str, on_path: str) -> Client | None:
        for version in (beside, on_path):
            program(tmp_path / version, version)
        monkeypatch.setenv("PATH", str(tmp_path / on_path), prepend=os.pathsep)
        server = dataclasses.replace(postgres_server, bin_folder=str(tmp_path / beside))
        return find_client_for(NAME, server, at_least=16)

    return find


@pytest.mark.parametrize(
    ("beside", "on_path", "wanted"),
    [
        ("16.4", "16.2", "16.4"),
        ("15.1", "16.2", "16.2"),
        ("17.0", "16.2", "16.2"),
        ("17.0", "18.1", "17.0"),
        ("15.1", "14.2", None),
    ],
)
def test_the_program_is_the_oldest_one_that_is_as_new_as_wanted(
    imagined: Imagined, beside: str, on_path: str, wanted: str | None
) -> None:
    found = imagined(beside, on_path)

    assert (found and found.version) == wanted
    assert found is None or found.program.endswith(f"/{wanted}/{NAME}")


@pytest.mark.slow
def test_in_a_container_the_servers_own_program_works_with_files_from_here(
    tmp_path: Path, new_run: Callable[..., Run]
) -> None:
    with docker_client():  # skips where there is none
        pass
    run = new_run(tmp_path, Settings(postgres="docker"))
    server = run.ensure_database()
    client = client_in_container("psql", server)
    file = tmp_path / "a file.sql"
    file.write_text("SELECT 40 + 2, current_setting('application_name'), inet_server_port();\n")
    assert client is not None
    line, environment = client.command(
        ["-At", "-f", str(file)], variables_for(server, run.database, "a name"), [str(file)]
    )
    done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
    failed = subprocess.run(
        [*line[:-1], line[-1].replace(client.program, "no-such-program")],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    left = client.command(
        ["-Atc", "SELECT pg_ls_dir('/tmp')"], variables_for(server, run.database, "")
    )
    listed = subprocess.run(
        left[0], env=left[1], capture_output=True, text=True, check=True
    ).stdout.splitlines()

    assert (done.returncode, done.stdout, done.stderr) == (0, "42|a name|5432\n", "")
    assert failed.returncode not in (0, 1)
    assert "no-such-program" in failed.stdout + failed.stderr
    assert server.password not in " ".join(line)
    assert [name for name in listed if name.startswith("testkit-")] == []
