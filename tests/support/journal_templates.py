"""Templates with a schema and the journal, kept for the tests that ask for the same again."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from psycopg import sql

from testkit.isolation.template import JournalTemplate

if TYPE_CHECKING:
    from testkit.servers.postgres import Connection, PostgresServer

__all__ = ["drop_database", "drop_templates", "make_template", "template_for"]

# Each takes megabytes, of memory mostly. Few schemas are asked for often.
_MOST_KEPT: Final = 6
_VIRTUAL_COLUMNS: Final = 180000

_Role = tuple[int, str, str]
# By who owns them; the one that was asked for last stands last.
_kept: dict[_Role, dict[tuple[str, ...], str]] = {}


def template_for(server: PostgresServer, connection: Connection, schema: tuple[str, ...]) -> str:
    """Return the name of a template that others use too: nobody changes or drops it."""
    kept = _kept.setdefault(_role(server), {})
    name = kept.pop(schema, None)
    if name is None:
        name = make_template(server, connection, schema)
        if len(kept) == _MOST_KEPT:
            drop_database(connection, kept.pop(next(iter(kept))))
    kept[schema] = name
    return name


def make_template(server: PostgresServer, connection: Connection, schema: tuple[str, ...]) -> str:
    """Make a template for the caller alone, who drops it.

    A server without virtual columns gets stored ones in their place.
    """
    # By its first word the plugin, under which the tests run, does not take it for what a test left.
    name = f"testkit_template_{secrets.token_hex(4)}"
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


def drop_templates(server: PostgresServer) -> None:
    """Drop what is kept of this role on this server."""
    kept = _kept.pop(_role(server), {})
    if kept:
        with server.connect() as connection:
            for name in kept.values():
                drop_database(connection, name)


def drop_database(connection: Connection, name: str) -> None:
    """Drop a database, whoever is connected to it."""
    connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _role(server: PostgresServer) -> _Role:
    return server.port, server.user, server.password
