"""What the ``database`` fixture gives."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import asyncpg
import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm import Session

    from testkit.isolation.database import Database
    from testkit.servers.postgres import PostgresServer

NAME = sa.text("SELECT current_database()")
COUNT = sa.text("SELECT count(*) FROM notes")


@pytest.fixture
def notes(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE notes (text text)"))


def test_every_url_leads_to_the_same_database(
    database: Database, postgres_server: PostgresServer
) -> None:
    name = sa.make_url(database.url()).database
    engine = sa.create_engine(database.url("psycopg"))
    with engine.connect() as connection:
        by_sqlalchemy = connection.execute(NAME).scalar_one()
    engine.dispose()
    with psycopg.connect(database.url("libpq")) as plain:
        by_psycopg = plain.execute("SELECT current_database()").fetchone()

    assert (by_sqlalchemy, by_psycopg) == (name, (name,))
    assert sa.make_url(database.url()).port == postgres_server.port


async def test_asyncpg_takes_the_url_for_libpq(database: Database) -> None:
    connection = await asyncpg.connect(database.url("libpq"))
    try:
        found = await connection.fetchval("SELECT current_database()")
    finally:
        await connection.close()

    assert found == sa.make_url(database.url()).database


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
async def test_an_asynchronous_engine_takes_the_url_of_its_driver(
    database: Database, driver: str
) -> None:
    engine = create_async_engine(database.url(driver))
    async with engine.connect() as connection:
        found = (await connection.execute(NAME)).scalar_one()
    await engine.dispose()

    assert engine.dialect.driver == driver
    assert found == sa.make_url(database.url()).database


def test_an_unknown_driver_is_no_key(database: Database) -> None:
    with pytest.raises(KeyError, match="psycopg2"):
        database.url("psycopg2")


def test_engines_are_made_once(database: Database) -> None:
    assert database.engine is database.engine
    assert database.async_engine is database.async_engine


@pytest.mark.parametrize("turn", [1, 2])
def test_what_is_committed_is_seen_by_others_and_gone_in_the_next_test(
    database: Database, notes: None, turn: int
) -> None:
    with database.session() as session:
        session.execute(sa.text("INSERT INTO notes VALUES ('mine')"))
        session.commit()
    counts = []

    def count() -> None:
        with database.session() as session:
            counts.append(session.execute(COUNT).scalar_one())

    thread = threading.Thread(target=count)
    thread.start()
    thread.join()

    assert counts == [1]


async def test_the_sessions_of_both_kinds_see_each_other_s_commits(
    db_session: Session, async_db_session: AsyncSession, notes: None
) -> None:
    await async_db_session.execute(sa.text("INSERT INTO notes VALUES ('async')"))
    await async_db_session.commit()
    by_sync = db_session.execute(COUNT).scalar_one()
    db_session.execute(sa.text("INSERT INTO notes VALUES ('sync')"))
    db_session.commit()
    by_async = (await async_db_session.execute(COUNT)).scalar_one()

    assert (by_sync, by_async) == (1, 2)


def test_sessions_are_independent_of_each_other(database: Database, notes: None) -> None:
    with database.session() as one, database.session() as two:
        one.execute(sa.text("INSERT INTO notes VALUES ('not committed')"))

        assert two.execute(COUNT).scalar_one() == 0
        assert one.execute(COUNT).scalar_one() == 1


def test_the_asynchronous_engine_works_in_one_loop_after_another(database: Database) -> None:
    async def name() -> str:
        async with database.async_session() as session:
            return str((await session.execute(NAME)).scalar_one())

    assert asyncio.run(name()) == asyncio.run(name())
    database.drop_async_connections()


def test_notifications_arrive_because_commits_are_real(database: Database) -> None:
    with psycopg.connect(database.url("libpq"), autocommit=True) as listener:
        listener.execute("LISTEN news")
        with database.session() as session:
            session.execute(sa.text("NOTIFY news, 'hello'"))
            session.commit()
        (heard,) = listener.notifies(timeout=5, stop_after=1)

    assert heard.payload == "hello"
