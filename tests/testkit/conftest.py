"""The run's Postgres, and as a role sees it that may make databases, and no more."""

from __future__ import annotations

import dataclasses
import secrets
from typing import TYPE_CHECKING

import pytest
from psycopg import sql

from tests.support.journal_templates import drop_templates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.servers.postgres import PostgresServer


@pytest.fixture(scope="session")
def postgres_server(postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    """The run's Postgres, rid of the templates of these tests at the end."""
    yield postgres_server
    drop_templates(postgres_server)


@pytest.fixture(scope="session")
def owner_server(postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    """The server as a role without superuser sees it: it owns what it makes."""
    role, password = f"owner_{secrets.token_hex(4)}", secrets.token_hex(16)
    quoted = sql.Identifier(role)
    with postgres_server.connect() as connection:
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN CREATEDB PASSWORD {}").format(quoted, password)
        )
        owner = dataclasses.replace(postgres_server, user=role, password=password)
        yield owner
        drop_templates(owner)
        connection.execute(sql.SQL("DROP ROLE {}").format(quoted))
