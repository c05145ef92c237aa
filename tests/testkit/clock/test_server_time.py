"""Time that is stored in a server: keys and rows made older."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import BigInteger, Column, DateTime, MetaData, Table, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from testkit.core.messages import TestkitError

if TYPE_CHECKING:
    import redis
    import redis.asyncio

    from testkit.clock import Clock
    from testkit.isolation.database import Database


class Model(DeclarativeBase):
    """Of these tests."""


class Lease(Model):
    """A row with a time of each kind."""

    __tablename__ = "lease"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    until: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    seen: Mapped[int] = mapped_column(BigInteger)


_NOON = dt.datetime(2030, 1, 1, 12, tzinfo=dt.UTC)


def _leases(session: Session) -> None:
    Model.metadata.create_all(session.connection())
    session.add_all(Lease(id=number, until=_NOON, seen=1_000_000) for number in (1, 2))
    session.commit()


def test_a_key_loses_the_time_that_was_shifted(clock: Clock, redis_client: redis.Redis) -> None:
    redis_client.set("key", "value", ex=100)
    clock.shift_key(redis_client, "key", 40)

    assert 50 < redis_client.ttl("key") <= 60


def test_a_key_without_time_left_goes(clock: Clock, redis_client: redis.Redis) -> None:
    redis_client.set("key", "value", ex=100)
    clock.shift_key(redis_client, "key", dt.timedelta(minutes=2))

    assert redis_client.exists("key") == 0


async def test_a_key_is_shifted_by_an_asynchronous_client(
    clock: Clock, async_redis_client: redis.asyncio.Redis
) -> None:
    await async_redis_client.set("key", "value", ex=100)
    await clock.shift_key(async_redis_client, b"key", 40)

    assert 50 < await async_redis_client.ttl("key") <= 60


@pytest.mark.parametrize("key", ["for ever", "nowhere"])
def test_a_key_without_expiry_cannot_be_shifted(
    clock: Clock, redis_client: redis.Redis, key: str
) -> None:
    redis_client.set("for ever", "value")
    with pytest.raises(TestkitError, match=r"TK663: .*(never expires|is not there)"):
        clock.shift_key(redis_client, key, 1)


def test_a_row_is_made_older(clock: Clock, db_session: Session) -> None:
    _leases(db_session)

    assert clock.shift_row(db_session, Lease.until, 3600, where=Lease.id == 1) == 1
    assert clock.shift_row(db_session, Lease.seen, 3600) == 2
    db_session.commit()
    rows = db_session.execute(select(Lease.until, Lease.seen).order_by(Lease.id)).all()
    assert [tuple(row) for row in rows] == [
        (_NOON - dt.timedelta(hours=1), 996_400),
        (_NOON, 996_400),
    ]


async def test_a_row_is_shifted_by_an_asynchronous_session(
    clock: Clock, database: Database
) -> None:
    with database.session() as session:
        _leases(session)
    async with database.async_session() as session:
        assert await clock.shift_row(session, Lease.until, 60) == 2
        until = await session.scalar(select(Lease.until).where(Lease.id == 2))

    assert until == _NOON - dt.timedelta(minutes=1)


def test_a_row_of_a_table_is_shifted_by_a_connection(clock: Clock, database: Database) -> None:
    table = Table("plain", MetaData(), Column("at", DateTime))
    with database.engine.begin() as connection:
        connection.execute(text("CREATE TABLE plain (at timestamp)"))
        connection.execute(text("INSERT INTO plain VALUES ('2030-01-01 12:00')"))
        clock.shift_row(connection, table.c.at, dt.timedelta(hours=1))

        assert connection.scalar(select(table.c.at)) == dt.datetime(2030, 1, 1, 11)  # noqa: DTZ001


def test_no_row_is_an_error(clock: Clock, db_session: Session) -> None:
    _leases(db_session)
    with pytest.raises(TestkitError, match=r"TK664: No row matched in which lease\.until"):
        clock.shift_row(db_session, Lease.until, 1, where=Lease.id == 3)
