"""Spare databases of a throw-away one."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from psycopg import sql

from testkit.core.naming import SPARE
from testkit.isolation.spares import SpareDatabases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.servers.postgres import PostgresServer

__all__ = ["left", "spares_of"]


@contextlib.contextmanager
def spares_of(server: PostgresServer, name: str) -> Iterator[SpareDatabases]:
    """Spares for one database, none left behind: the server goes on after the test."""
    spares = SpareDatabases(server, name)
    try:
        yield spares
    finally:
        spares.close()
        with server.connect() as connection:
            for each in left(server, name):
                connection.execute(
                    sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(each))
                )


def left(server: PostgresServer, name: str) -> list[str]:
    with server.connect() as connection:
        found = connection.execute(
            "SELECT datname::text FROM pg_database WHERE starts_with(datname, %s) AND datname ~ %s",
            (name, SPARE),
        )
        return [each for (each,) in found]
