"""Restoring a kept database into an empty one, as the test left it."""

from __future__ import annotations

import re
import subprocess
import tempfile
from typing import TYPE_CHECKING, Final

from psycopg import sql

from testkit.core.messages import TestkitError
from testkit.servers.kept.clients import find_client_for, major_of, variables_for

if TYPE_CHECKING:
    from testkit.servers.kept.shelf import Kept
    from testkit.servers.postgres import PostgresServer

__all__ = ["is_ours", "restore"]

_APPLICATION: Final = "testkit restores"
_MOST_LINES: Final = 10
# What stands in a dump's table of contents of what testkit has put on the project's tables: see
# `Journal` (testkit/isolation/journal.py) and journal_superuser.sql.
_OURS: Final = re.compile(
    r"\d+; \d+ \d+ (?:TRIGGER .*  testkit [iudt] .*|EVENT TRIGGER - testkit_(?:ddl|drop) .*)"
)
# What a newer pg_restore says to an older server, and goes on.
_HARMLESS: Final = 'unrecognized configuration parameter "'


def restore(kept: Kept, server: PostgresServer, database: str) -> None:
    """Put what was kept into an empty database of this server.

    Roles that it needs are made where nobody else is on the server. Raises TK354 where the server
    does not fit, TK355 where pg_restore fails.
    """
    program = find_client_for(
        "pg_restore", server, at_least=max(server.major, major_of(kept.contents.dumped_by))
    )
    reason = _obstacle(kept, server)
    if reason is None and program is None:
        reason = f"there is no pg_restore that can read a dump of pg_dump {kept.contents.dumped_by}"
    if reason is not None:
        raise TestkitError(
            "TK354",
            nodeid=kept.nodeid,
            version=server.version,
            backend=server.backend,
            reason=reason,
            place=kept.dump,
        )
    assert program is not None
    variables, dump = variables_for(server, database, _APPLICATION), str(kept.dump)
    listed = _called(kept, *program.command(["--list", dump], variables, [dump]))
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", errors="surrogateescape") as chosen:
        chosen.writelines(f"{line}\n" for line in listed.split("\n") if not is_ours(line))
        chosen.flush()
        arguments = ["--no-password", f"--use-list={chosen.name}", f"--dbname={database}", dump]
        _called(kept, *program.command(arguments, variables, [chosen.name, dump]))


def is_ours(line: str) -> bool:
    """Return whether a line of ``pg_restore --list`` names a trigger of testkit's own."""
    return _OURS.fullmatch(line) is not None


def _obstacle(kept: Kept, server: PostgresServer) -> str | None:
    """Return why the server cannot take it, or None; make the roles that it has not."""
    contents = kept.contents
    if major_of(contents.server_version) > server.major:
        return f"it is a database of the newer Postgres {contents.server_version}"
    with server.connect() as connection:
        available = connection.execute("SELECT name::text FROM pg_available_extensions").fetchall()
        if missing := sorted({*contents.extensions} - {name for (name,) in available}):
            return f"it has no extension {', '.join(missing)}"
        there = connection.execute("SELECT rolname::text FROM pg_roles").fetchall()
        strangers = sorted({*contents.roles} - {name for (name,) in there})
        if strangers and server.shared:
            return f"it has no role {', '.join(strangers)}"
        for name in strangers:
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(name)))
    return None


def _called(kept: Kept, command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    said = [line for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
    errors = [line for line in said if ": error: " in line and _HARMLESS not in line]
    if errors or (done.returncode != 0 and not said):
        log = "\n".join(said[:_MOST_LINES]) or f"(exit code {done.returncode})"
        raise TestkitError("TK355", nodeid=kept.nodeid, log=log, place=kept.dump)
    return done.stdout.decode(errors="surrogateescape")
