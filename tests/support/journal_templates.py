"""Templates with a schema and the journal, kept for the tests that ask for the same again."""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from psycopg import sql

from testkit.isolation.template import JournalTemplate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.servers.postgres import Connection, PostgresServer

__all__ = ["drop_database", "drop_templates", "own_template", "shared_template"]

# Of those that nobody uses. Each takes megabytes, of memory mostly, and few are asked for often.
_MOST_KEPT: Final = 6
_VIRTUAL_COLUMNS: Final = 180000

_Role = tuple[int, str, str]


@dataclass
class _Template:
    name: str
    users: int = 0


# By who owns them; the one that was asked for last stands last.
_kept: dict[_Role, dict[tuple[str, ...], _Template]] = {}


@contextlib.contextmanager
def shared_template(
    server: PostgresServer, connection: Connection, schema: tuple[str, ...]
) -> Iterator[str]:
    """Give the name of a template that others use too: nobody changes or drops it."""
    kept = _kept.setdefault(_role(server), {})
    found = kept.pop(schema, None) or _Template(_made(server, connection, schema))
    kept[schema] = found
    found.users += 1
    try:
        yield found.name
    finally:
        found.users -= 1
        # A database that is made anew needs the template that it came from.
        idle = [asked for asked, each in kept.items() if not each.users]
        for asked in idle[:-_MOST_KEPT]:
            drop_database(connection, kept.pop(asked).name)


@contextlib.contextmanager
def own_template(
    server: PostgresServer, connection: Connection, schema: tuple[str, ...]
) -> Iterator[str]:
    """Give the name of a template that the caller may change."""
    name = _made(server, connection, schema)
    try:
        yield name
    finally:
        drop_database(connection, name)


def drop_templates(server: PostgresServer) -> None:
    """Drop what is kept of this role on this server."""
    kept = _kept.pop(_role(server), {})
    if kept:
        with server.connect() as connection:
            for each in kept.values():
                drop_database(connection, each.name)


def drop_database(connection: Connection, name: str) -> None:
    """Drop a database, whoever is connected to it."""
    connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _role(server: PostgresServer) -> _Role:
    return server.port, server.user, server.password


def _made(server: PostgresServer, connection: Connection, schema: tuple[str, ...]) -> str:
    """Make a template; a server without virtual columns gets stored ones in their place."""
    # By its first word the plugin, under which the tests run, does not take it for what a test left.
    name = f"testkit_journalled_{secrets.token_hex(4)}"
    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        with server.connect(name) as inside:
            old = inside.info.server_version < _VIRTUAL_COLUMNS
            for statement in schema:
                text = statement.replace(") VIRTUAL", ") STORED") if old else statement
                inside.execute(text.encode())
            JournalTemplate().install(inside)
    except BaseException:
        drop_database(connection, name)
        raise
    return name
