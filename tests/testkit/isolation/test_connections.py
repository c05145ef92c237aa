"""Drivers' connections, as SQLAlchemy's pools hold them."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING, Any

import asyncpg
import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from testkit.isolation.connections import database_name, running_loop, server_port, usable_here

if TYPE_CHECKING:
    from testkit.isolation.database import Database


@pytest.mark.parametrize(("driver", "expected"), [(None, True), ("asyncpg", False)])
def test_a_connection_of_another_loop_is_left_alone_where_its_driver_is_bound_to_it(
    database: Database, driver: str | None, *, expected: bool
) -> None:
    # Left alone: the application meets the driver's own error, not what came of an attempt of ours.
    async def usable() -> tuple[bool, bool]:
        engine = create_async_engine(database.url(driver))
        async with engine.connect() as connection:
            raw: Any = (await connection.get_raw_connection()).dbapi_connection
            answers = usable_here(raw, running_loop(raw)), usable_here(raw, elsewhere)
        await engine.dispose()
        return answers

    elsewhere = asyncio.new_event_loop()
    answers = asyncio.run(usable())
    elsewhere.close()

    assert answers == (True, expected)


def test_a_connection_of_another_driver_has_no_port() -> None:
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        port = server_port(connection.connection.dbapi_connection)
    engine.dispose()

    assert port is None


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
