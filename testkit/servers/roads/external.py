"""A Postgres that somebody else runs: only databases that testkit made there are its own.

Each process of a run makes one database, named after the run and itself, and marks it as its own
(see ``marks.py``). One whose process is gone is dropped by the next run and by ``testkit reap``.
"""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import psycopg

from testkit.core.messages import TestkitError
from testkit.servers.ownership.marks import (
    DATABASE,
    drop_database,
    lock,
    mark_text,
    owned_by,
    sweep_databases,
)
from testkit.servers.postgres import PostgresServer
from testkit.servers.programs.binaries import OLDEST_POSTGRES
from testkit.servers.roads.choice import meets
from testkit.servers.schema.key import needed_extensions
from testkit.servers.templates.served import served_template

if TYPE_CHECKING:
    from testkit.core.addresses import Address
    from testkit.servers.postgres import Connection
    from testkit.servers.run import Run

__all__ = [
    "Lease",
    "Role",
    "attach_postgres",
    "server_at",
    "sweep_at",
    "sweep_on",
    "unreachable",
]

# Of each process: the reset's, the lease's, and one for the test.
_FEWEST: Final = 3
_OURS: Final = 2


@dataclass(frozen=True, slots=True)
class Role:
    """What a role may do on a server, and how many connections are free there."""

    name: str
    superuser: bool
    creates_databases: bool
    version: str
    allowed: int
    free: int

    def refusal(self, run: Run) -> TestkitError | None:
        """Return what speaks against using the server for this run, or None."""
        where = {"host": run.settings.sources.get("postgres", "postgres"), "role": self.name}
        if not (self.superuser or self.creates_databases):
            return TestkitError("TK111", **where)
        processes = run.processes
        if self.free < _FEWEST * processes:
            return TestkitError(
                "TK113",
                allowed=self.allowed,
                free=self.free,
                processes=processes,
                needed=_FEWEST * processes,
                fits=max(self.free // _FEWEST - 1, 0),
                source=where["host"],
            )
        return None


def attach_postgres(run: Run, address: Address, _planned: Address) -> PostgresServer:
    """Return the server of a URL, with the project's template in it.

    Raises TK110 where it cannot be reached, TK111 to TK113, TK201 to TK205.
    """
    source = run.settings.sources.get("postgres", "the configuration")
    server = server_at(address, f"{address.host}:{address.port}, named by {source}")
    try:
        with server.connect() as connection:
            role = _role(connection)
            if int(role.version.partition(".")[0]) < OLDEST_POSTGRES:
                words = f"it is PostgreSQL {role.version}, older than {OLDEST_POSTGRES}"
                raise unreachable("postgres", address, source, words)
            if (refusal := role.refusal(run)) is not None:
                raise refusal
            sweep_databases(connection)
    except psycopg.OperationalError as error:
        raise unreachable("postgres", address, source, str(error)) from error
    budget = max(role.free // run.processes - _OURS, 1)
    known = dataclasses.replace(
        server,
        version=role.version,
        reason=f"{server.reason}, {budget} connections for each process",
        connections=budget,
    )
    meets(known, run.settings, needed_extensions(run.settings, run.root))
    # What is installed into a template depends on what the role may do.
    words = "external, a superuser" if role.superuser else "external"
    return served_template(known, run, words=words)


def unreachable(key: str, address: Address, source: str, reason: str) -> TestkitError:
    """Return TK110; the password is taken out of what the driver said."""
    if address.password:
        reason = reason.replace(address.password, "***")
    return TestkitError(
        "TK110",
        key=key,
        host=address.host,
        port=address.port,
        reason=" ".join(reason.split()),
        source=source,
    )


class Lease:
    """The lock on one database of ours, held until ``release`` or our end."""

    def __init__(self, server: PostgresServer, run: Run) -> None:
        self._server, self._database = server, run.database
        self._connection = server.connect()
        lock(self._connection, self._database)
        facts = owned_by(DATABASE, run.me, server.maintenance, run.token)
        self.marked = dataclasses.replace(server, mark=mark_text(facts))

    def release(self) -> None:
        """Drop the database and let go of the lock."""
        with contextlib.suppress(psycopg.Error):
            try:
                drop_database(self._connection, self._database)
            except psycopg.OperationalError:
                # The server, or something between, ends connections on which nothing goes on.
                self._connection = self._server.connect()
                drop_database(self._connection, self._database)
        self._connection.close()


def sweep_on(server: PostgresServer) -> None:
    """Drop what dead processes left on a server, as far as it answers."""
    with contextlib.suppress(psycopg.Error), server.connect() as connection:
        sweep_databases(connection)


def sweep_at(address: Address, *, look: bool) -> list[str]:
    """Do it on the server of a URL. Raises TK110."""
    try:
        with server_at(address, "").connect() as connection:
            return sweep_databases(connection, look=look)
    except psycopg.OperationalError as error:
        raise unreachable("postgres", address, "the configuration", str(error)) from error


def server_at(address: Address, reason: str) -> PostgresServer:
    """Return what is known of the server of a URL without asking it."""
    return PostgresServer(
        port=address.port,
        password=address.password,
        version="",
        backend="external",
        reason=reason,
        host=address.host,
        user=address.user,
        maintenance=address.name,
        options=address.options,
        shared=True,
    )


def _role(connection: Connection) -> Role:
    row = connection.execute(
        "SELECT rolname::text, rolsuper, rolcreatedb,"
        " current_setting('max_connections')::int,"
        " current_setting('superuser_reserved_connections')::int"
        " + coalesce(current_setting('reserved_connections', true), '0')::int,"
        # Of other roles' sessions an ordinary one sees little more than the database.
        " (SELECT count(*) FROM pg_stat_activity WHERE datid IS NOT NULL"
        "  AND pid <> pg_backend_pid())"
        " FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    assert row is not None
    name, superuser, creates, allowed, reserved, used = row
    version = connection.info.parameter_status("server_version") or ""
    free = allowed - used - (0 if superuser else reserved)
    return Role(name, superuser, creates, version.split()[0], allowed, free)
