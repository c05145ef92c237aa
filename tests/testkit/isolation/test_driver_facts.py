"""Port and database, whichever driver and whatever SQLAlchemy puts around its connection."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import asyncpg
import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from testkit.isolation.driver_facts import database_name, server_port

if TYPE_CHECKING:
    from testkit.isolation.database import Database


def place(database: Database) -> tuple[int | None, str | None]:
    url = sa.make_url(database.url())
    return url.port, url.database


def test_psycopg_tells_both(database: Database) -> None:
    with psycopg.connect(database.url("libpq")) as connection:
        found = server_port(connection), database_name(connection)

    assert found == place(database)


async def test_asyncpg_tells_both(database: Database) -> None:
    connection = await asyncpg.connect(database.url("libpq"))
    found = server_port(connection), database_name(connection)
    await connection.close()

    assert found == place(database)


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
async def test_what_sqlalchemy_puts_around_a_connection_is_seen_through(
    database: Database, driver: str
) -> None:
    engine = create_async_engine(database.url(driver))
    async with engine.connect() as connection:
        around = await connection.get_raw_connection()
        found = server_port(around), database_name(around)
    await engine.dispose()

    assert found == place(database)


def test_another_kind_of_database_has_neither() -> None:
    connection = sqlite3.connect(":memory:")
    found = server_port(connection), database_name(connection)
    connection.close()

    assert found == (None, None)
