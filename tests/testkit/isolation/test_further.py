"""Databases that a test has besides its worker's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from testkit.core.messages import TestkitError
from testkit.isolation.further import MOST_DATABASES

if TYPE_CHECKING:
    from testkit.isolation.database import Database

COUNT = sa.text("SELECT count(*) FROM modules")
ADD = sa.text(
    "INSERT INTO modules (id, name, version, active, config)"
    " VALUES (gen_random_uuid(), 'a', '1', true, '{}')"
)


def test_it_has_the_schema_and_its_own_rows(database: Database) -> None:
    first, second = database.another(), database.another()
    with first.engine.begin() as connection:
        connection.execute(ADD)
    with first.session() as one, second.session() as two, database.session() as own:
        counts = [session.scalar(COUNT) for session in (one, two, own)]

    assert counts == [1, 0, 0]
    assert len({first.url(), second.url(), database.url()}) == 3


async def test_every_driver_reaches_it(database: Database) -> None:
    another = database.another()
    async with another.async_session() as session:
        await session.execute(ADD)
        await session.commit()
    connection = await asyncpg.connect(another.url("libpq"))
    try:
        count = await connection.fetchval(str(COUNT))
    finally:
        await connection.close()

    assert count == 1


def test_statements_for_it_are_counted_apart(database: Database) -> None:
    another = database.another()
    with (
        another.queries.expect(exactly=1),
        database.queries.expect(exactly=0),
        another.session() as session,
    ):
        assert session.scalar(COUNT) == 0


def test_a_wait_for_itself_ends_there_too(database: Database) -> None:
    another = database.another()
    with another.engine.connect() as one, another.engine.connect() as two:
        one.execute(sa.text("LOCK TABLE modules"))

        assert two.scalar(sa.text("SHOW lock_timeout")) == "2s"


def test_there_are_so_many_at_a_time(database: Database) -> None:
    for _ in range(MOST_DATABASES):
        database.another()

    with pytest.raises(
        TestkitError, match=rf"TK349: .*another\(\): this process has {MOST_DATABASES}"
    ):
        database.another()


def test_it_has_no_snapshots(database: Database) -> None:
    with pytest.raises(
        TestkitError, match=r"TK349: .*only the worker's own database has snapshots"
    ):
        database.another().snapshot()


def test_it_is_dropped_with_its_sessions(database: Database) -> None:
    another = database.another()
    kept = sa.create_engine(another.url())
    with kept.connect() as connection:
        connection.execute(COUNT)
        connection.commit()
        assert database.further is not None
        leaks = database.further.end(None, patience=0)
        with pytest.raises(OperationalError):
            connection.execute(COUNT)
    kept.dispose()

    assert leaks == []
    with pytest.raises(OperationalError, match="does not exist"), another.engine.connect():
        pass


def test_a_transaction_that_is_open_is_a_leak(database: Database) -> None:
    another = database.another()
    session = another.session()
    session.execute(ADD)
    assert database.further is not None
    [leak] = database.further.end(None, patience=0)

    assert leak.code == "TK302"
    assert all(words in str(leak) for words in ("__another", "INSERT INTO modules", "test_further"))
    assert not session.in_transaction()
