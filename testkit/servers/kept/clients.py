"""The client programs that dump and restore a database, of a version that fits the server."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from testkit.core.surroundings import libpq_variables
from testkit.servers.programs.binaries import ClosedRoadError
from testkit.servers.programs.installed import POSTGRES_FOLDERS, said_by
from testkit.servers.programs.launch import ORDER
from testkit.servers.programs.wheels import postgres_programs
from testkit.servers.shells.target import psql_variables

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from testkit.servers.postgres import PostgresServer

__all__ = ["Client", "client_in_container", "find_client_for", "major_of", "variables_for"]

_PACKAGE: Final = str(Path(__file__).parents[3])


@dataclass(frozen=True, slots=True)
class _Container:
    """A server's container: its id, where its Docker is, the server's port in there."""

    name: str
    docker: str
    port: int


@dataclass(frozen=True, slots=True)
class Client:
    """A program of PostgreSQL, here or in the server's container, and its version.

    ``container`` is None for a program of this machine.
    """

    program: str
    version: str
    container: _Container | None = None

    def command(
        self, arguments: Sequence[str], variables: dict[str, str], files: Sequence[str] = ()
    ) -> tuple[list[str], dict[str, str]]:
        """Return a command line and its environment, in which programs speak English.

        ``arguments`` may name these ``files``; ``variables`` are those of ``variables_for``.
        """
        theirs = {*libpq_variables(os.environ), "LANGUAGE"}
        environment = {n: v for n, v in os.environ.items() if n not in theirs} | {"LC_ALL": "C"}
        if self.container is None:
            return [self.program, *arguments], environment | variables
        order = {
            "docker": self.container.docker,
            "container": self.container.name,
            "port": self.container.port,
            "command": [self.program, *arguments],
            "files": list(files),
        }
        paths = [_PACKAGE, *filter(None, [os.environ.get("PYTHONPATH")])]
        module = "testkit.servers.containers.inside"
        return (
            [sys.executable, "-m", module, json.dumps(order)],
            environment | variables | {"PYTHONPATH": os.pathsep.join(paths)},
        )


def variables_for(server: PostgresServer, database: str, application: str) -> dict[str, str]:
    """Return the variables by which libpq finds the database; the password is among them."""
    facts: dict[str, Any] = {
        "socket": server.socket,
        "host": server.host,
        "port": server.port,
        "user": server.user,
        "password": server.password,
        "options": server.options,
    }
    return psql_variables(facts, database) | {"PGAPPNAME": application}


def find_client_for(name: str, server: PostgresServer, *, at_least: int) -> Client | None:
    """Return the program of this name whose major version is the least from ``at_least`` on.

    Looked for beside the server's own, in the wheel, where PostgreSQL is installed, on PATH, and in
    the server's container: of equal versions the first is taken. None where all are older, or
    there is none.
    """
    best = client_in_container(name, server)
    if best is not None and major_of(best.version) < at_least:
        best = None
    for path in dict.fromkeys(_candidates(name, server.bin_folder)):
        version = re.search(r"\) (\d+(?:\.\d+)*)", said_by(path, "--version"))
        if version is None or major_of(version[1]) < at_least:
            continue
        found = Client(path, version[1])
        if major_of(found.version) == at_least:
            return found
        if best is None or major_of(found.version) < major_of(best.version):
            best = found
    return best


def major_of(version: str) -> int:
    """Return the first part of a version."""
    return int(re.match(r"\d+", version)[0])  # type: ignore[index]  # every one has it


def _candidates(name: str, beside: str | None) -> Iterator[str]:
    folders = [Path(beside)] if beside else []
    with contextlib.suppress(ClosedRoadError):
        folders.append(postgres_programs())
    for pattern in POSTGRES_FOLDERS:
        folders += sorted(Path("/").glob(pattern.lstrip("/")))
    yield from (str(f / name) for f in folders if os.access(f / name, os.X_OK))
    if (found := shutil.which(name)) is not None:
        yield found


def client_in_container(name: str, server: PostgresServer) -> Client | None:
    """Return the program that the server's image brings, of the server's own version."""
    if server.kept is None or server.backend != "docker":
        return None
    folder = server.kept.directory
    try:
        container = json.loads((folder / "container.json").read_text())["id"]
        order = json.loads((folder / ORDER).read_text())
    except OSError:
        return None  # it ends just now
    place = _Container(container, order["docker"], order["inside"])
    return Client(name, server.version, place)
