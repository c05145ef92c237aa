"""What suites of the plugin's own tests run on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testkit.servers.ownership.marks import drop_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.core.naming import UniqueNames
    from testkit.servers.postgres import PostgresServer


@pytest.fixture
def guest(postgres_server: PostgresServer, unique: UniqueNames) -> Iterator[str]:
    """The URL of a server of others, for a role that may make databases and no more."""
    role = unique("guest").replace("-", "_")
    with postgres_server.connect() as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN CREATEDB PASSWORD 'hunter2'".encode())
        yield f"postgresql://{role}:hunter2@127.0.0.1:{postgres_server.port}/postgres"
        made = connection.execute(
            "SELECT datname FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba"
            " WHERE rolname = %s",
            (role,),
        ).fetchall()
        for (name,) in made:  # the template, which stays for a month
            drop_database(connection, name)
        connection.execute(f"DROP ROLE {role}".encode())
