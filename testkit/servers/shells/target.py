"""Which running server a shell is opened on, and with which client program."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from testkit.core.messages import TestkitError
from testkit.core.naming import database_name
from testkit.servers.ownership.records import read_facts
from testkit.servers.ownership.verdicts import IN_USE, Server
from testkit.system.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "choose_database",
    "choose_server",
    "facts_of",
    "find_client",
    "psql_variables",
    "redis_variables",
]

Kind = Literal["postgres", "redis"]
_NAMES: Final = {"postgres": "Postgres", "redis": "Redis"}
_SHELLS: Final = {"postgres": "psql", "redis": "redis-cli"}
_FIRST: Final = "main"


def choose_server(
    servers: Sequence[Server], kind: Kind, *, root: Path, token: str | None, worker: str | None
) -> Server:
    """Return the server of the newest run of this checkout in use, or of the run ``token``.

    A Redis is that of ``worker``: by default ``main``, or the only one. Raises TK503 where nothing
    of the kind is running, TK505 where the run has no such worker.
    """
    running = [server for server in servers if server.kind == kind and server.state == IN_USE]
    mine = [s for s in running if (s.run == token if token else _is_of(s, root))]
    if not mine:
        raise TestkitError(
            "TK503",
            server=_NAMES[kind],
            wanted=f"the run {token}" if token else "this checkout",
            root=root,
            elsewhere="\n".join(map(_told, running)) or "(nothing)",
            shell=_SHELLS[kind],
        )
    newest = max(mine, key=lambda server: server.started).run
    of_run = {server.worker: server for server in mine if server.run == newest}
    if kind == "postgres":
        return of_run[""]
    return of_run[_choose(list(of_run), worker, next(iter(of_run.values())))]


def choose_database(databases: Mapping[str, str], worker: str | None, server: Server) -> str:
    """Return the database of ``worker``: by default that of ``main``, or the only one.

    ``databases`` are names by workers, which ``database_name`` may have changed: both forms are
    known. Raises TK505 where there is no such worker.
    """
    if worker is not None and worker not in databases:
        # On a server with other runs the name begins with the run's.
        own = {database_name(worker), database_name(f"{server.run}_{worker}")}
        worker = next((known for known, name in databases.items() if name in own), worker)
    return databases[_choose(list(databases), worker, server)]


def _choose(workers: Sequence[str], wanted: str | None, server: Server) -> str:
    if wanted is None:
        wanted = workers[0] if len(workers) == 1 else _FIRST
    if wanted not in workers:
        raise TestkitError(
            "TK505",
            token=server.run,
            server="database" if server.kind == "postgres" else "Redis",
            wanted=wanted,
            known=", ".join(sorted(workers)) or "nobody",
            directory=Path(server.facts).parent,
        )
    return wanted


def _told(server: Server) -> str:
    return f"run {server.run}: {server.url}, called in {server.project or 'an unknown folder'}"


def _is_of(server: Server, root: Path) -> bool:
    return server.project != "" and os.path.realpath(server.project) == os.path.realpath(root)


def facts_of(server: Server) -> Mapping[str, Any]:
    """Return the facts of the server, its password among them. Raises TK503 where it has gone."""
    facts = read_facts(Path(server.facts))
    if facts is None:
        raise TestkitError(
            "TK503",
            server=_NAMES[server.kind],
            wanted=f"the run {server.run}",
            root=server.project,
            elsewhere="(it ended just now)",
            shell=_SHELLS[server.kind],
        )
    return facts


def find_client(facts: Mapping[str, Any], *names: str) -> str | None:
    """Return the first of these programs that lies beside the server's, or on PATH, or None."""
    folder = str(facts.get("bin_folder") or "")
    beside = [shutil.which(name, path=folder) for name in names] if folder else []
    return next((path for path in (*beside, *map(shutil.which, names)) if path), None)


def psql_variables(facts: Mapping[str, Any], database: str) -> dict[str, str]:
    """Return the variables by which libpq finds the server: nothing shows in a command line."""
    options = {
        _OPTIONS[name]: text for name, text in facts.get("options") or () if name in _OPTIONS
    }
    return options | {
        "PGHOST": str(facts.get("socket") or facts.get("host") or LOOPBACK),
        "PGPORT": str(facts["port"]),
        "PGUSER": str(facts.get("user", "postgres")),
        "PGPASSWORD": str(facts["password"]),
        "PGDATABASE": database,
    }


# Parameters of a URL and their variables (PostgreSQL 18 documentation, "Environment Variables").
_OPTIONS: Final = {
    "application_name": "PGAPPNAME",
    "channel_binding": "PGCHANNELBINDING",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "gssencmode": "PGGSSENCMODE",
    "options": "PGOPTIONS",
    "require_auth": "PGREQUIREAUTH",
    "sslcert": "PGSSLCERT",
    "sslcrl": "PGSSLCRL",
    "sslkey": "PGSSLKEY",
    "sslmode": "PGSSLMODE",
    "sslnegotiation": "PGSSLNEGOTIATION",
    "sslrootcert": "PGSSLROOTCERT",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}


def redis_variables(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables by which the clients of Redis and of Valkey take the password."""
    return dict.fromkeys(("REDISCLI_AUTH", "VALKEYCLI_AUTH"), str(facts["password"]))
