"""What each mode of isolation promises, as programs: a test that does something, and the next one.

Runs in a suite of its own (``test_isolation.py`` copies it there). Rows have the name of their test,
so that a mode that undoes nothing spoils no other.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from sqlalchemy.orm import Session

    from testkit.isolation.database import Database

metadata = sa.MetaData()
sa.Table(
    "shop",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, unique=True),
)
sa.Table(
    "item",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("shop", sa.ForeignKey("shop.id", deferrable=True, initially="DEFERRED")),
)


@sa.event.listens_for(metadata, "after_create")
def _make_view(_metadata: object, connection: sa.Connection, **_options: object) -> None:
    connection.execute(sa.text("CREATE MATERIALIZED VIEW sums AS SELECT count(*) FROM shop"))


MODES = ("reset", "rollback", "clone", "none")
DRIVERS = ("psycopg", "psycopg async", "asyncpg")


def baseline(session: Session) -> None:
    """Rows that every test starts with: one for each mode and driver."""
    for mode in MODES:
        for driver in DRIVERS:
            session.execute(
                sa.text("INSERT INTO shop (name) VALUES (:n)"), {"n": f"{mode} {driver}"}
            )


class Connected:
    """A connection of an engine, sync or async, by the same calls."""

    def __init__(self, connection: sa.Connection | AsyncConnection) -> None:
        self.connection = connection

    async def run(self, statement: str, **values: object) -> Any:
        """Return the first value of the first row, if there are any."""
        done: Any = self.connection.execute(sa.text(statement), values)
        result = await done if isinstance(self.connection, AsyncConnection) else done
        row = result.first() if result.returns_rows else None
        return row[0] if row else None

    async def commit(self) -> None:
        done = self.connection.commit()
        if done is not None:
            await done

    async def rollback(self) -> None:
        done = self.connection.rollback()
        if done is not None:
            await done


class Sql:
    """The application's engine on one driver."""

    def __init__(self, driver: str, mode: str, promise: str) -> None:
        self.driver, self.mode = driver, mode
        self.engine = ENGINES[driver]
        self.name = f"{mode} {driver} {promise}"
        self.baseline = f"{mode} {driver}"

    @contextlib.asynccontextmanager
    async def connected(self, **options: Any) -> AsyncIterator[Connected]:
        if isinstance(self.engine, AsyncEngine):
            async with self.engine.connect() as connection:
                yield Connected(await connection.execution_options(**options))
        else:
            with self.engine.connect() as one:
                yield Connected(one.execution_options(**options))

    async def say(self, statement: str, **values: object) -> Any:
        """Run a statement in a transaction of its own."""
        async with self.connected() as connection:
            answer = await connection.run(statement, **values)
            await connection.commit()
        return answer

    async def add(self, connection: Connected | None = None, suffix: str = "") -> None:
        statement = "INSERT INTO shop (name) VALUES (:name)"
        if connection is None:
            await self.say(statement, name=self.name + suffix)
        else:
            await connection.run(statement, name=self.name + suffix)

    async def count(self, connection: Connected | None = None) -> int:
        statement = "SELECT count(*) FROM shop WHERE starts_with(name, :name)"
        if connection is None:
            return int(await self.say(statement, name=self.name))
        return int(await connection.run(statement, name=self.name))

    @property
    def other(self) -> Sql:
        """The engine of the application that is of the other kind."""
        other = "psycopg async" if self.driver == "psycopg" else "psycopg"
        found = Sql(other, self.mode, "")
        found.name = self.name
        return found


def outside(statement: str, *values: object) -> Any:
    """Run a statement as another process does: on a connection that nobody here knows."""
    with psycopg.connect(os.environ["PLAIN_URL"], autocommit=True) as connection:
        cursor = connection.execute(statement.encode(), values)
        return cursor.fetchone()[0] if cursor.description else None  # type: ignore[index]


ENGINES: dict[str, sa.Engine | AsyncEngine] = {}
if "PLAIN_URL" in os.environ:  # not while the schema is made
    ENGINES = {
        "psycopg": sa.create_engine(os.environ["PSYCOPG_URL"]),
        "psycopg async": create_async_engine(os.environ["PSYCOPG_URL"]),
        "asyncpg": create_async_engine(os.environ["ASYNCPG_URL"]),
    }

DURING: dict[str, Any] = {}
AFTER: dict[str, tuple[Any, Any]] = {}
LEFT: list[Any] = []


def during(program: Any) -> Any:
    """Let what the program asserts be promised while the test runs."""
    DURING[program.__name__] = program
    return program


def after(program: Any) -> Any:
    """Let what the second part asserts be promised to the next test."""
    first, second = program()
    AFTER[program.__name__] = (first, second)
    return program


# --- while the test runs


@during
async def seen_by_others(sql: Sql) -> None:
    async with sql.connected() as one, sql.connected() as other:
        await sql.add(one)
        await one.commit()
        assert await sql.count(other) == 1


@during
async def seen_by_other_drivers(sql: Sql) -> None:
    await sql.add()
    assert await sql.other.count() == 1


@during
async def seen_by_other_processes(sql: Sql) -> None:
    await sql.add()
    assert outside("SELECT count(*) FROM shop WHERE name = %s", sql.name) == 1


@during
async def not_seen_before_the_commit(sql: Sql) -> None:
    async with sql.connected() as one, sql.connected() as other:
        await sql.add(one)
        assert await sql.count(other) == 0


@during
async def hooks_behind_a_commit(sql: Sql) -> None:
    engine = sql.engine.sync_engine if isinstance(sql.engine, AsyncEngine) else sql.engine
    fired: list[str] = []

    def note(_connection: object) -> None:
        fired.append("commit")

    sa.event.listen(engine, "commit", note)
    await sql.add()
    sa.event.remove(engine, "commit", note)
    assert fired == ["commit"]


@during
async def deferred_constraints_at_a_commit(sql: Sql) -> None:
    async with sql.connected() as one:
        await one.run("INSERT INTO item (shop) VALUES (-1)")
        with pytest.raises(sa.exc.IntegrityError):
            await one.commit()
        await one.rollback()


@during
async def a_failed_statement_ends_its_own_transaction(sql: Sql) -> None:
    async with sql.connected() as one, sql.connected() as other:
        with pytest.raises(sa.exc.DBAPIError):
            await one.run("SELECT 1 / 0")
        await sql.add(other)
        await other.commit()
        with pytest.raises(sa.exc.DBAPIError):
            await one.run("SELECT 1")
        await one.rollback()
    assert await sql.count() == 1


@during
async def a_rollback_leaves_what_others_committed_since(sql: Sql) -> None:
    async with sql.connected() as one, sql.connected() as other:
        await sql.add(one, " one")
        await sql.add(other, " other")
        await other.commit()
        await one.rollback()
    assert await sql.count() == 1


@during
async def tasks_at_the_same_time(sql: Sql) -> None:
    async def work(number: int) -> None:
        async with sql.connected() as one:
            await sql.add(one, f" {number}")
            assert await sql.count(one) >= 1
            await one.commit()

    await asyncio.gather(*map(work, range(4)))
    assert await sql.count() == 4


@during
async def locks_between_transactions(sql: Sql) -> None:
    lock = "SELECT id FROM shop WHERE name = :name FOR UPDATE NOWAIT"
    async with sql.connected() as one, sql.connected() as other:
        await one.run(lock, name=sql.baseline)
        with pytest.raises(sa.exc.DBAPIError):
            await other.run(lock, name=sql.baseline)


@during
async def isolation_levels(sql: Sql) -> None:
    async with sql.connected(isolation_level="SERIALIZABLE") as one:
        assert await one.run("SHOW transaction_isolation") == "serializable"


@during
async def notifications(sql: Sql) -> None:
    with psycopg.connect(os.environ["PLAIN_URL"], autocommit=True) as listening:
        listening.execute("LISTEN done")
        await sql.say("SELECT pg_notify('done', '')")
        assert len(list(listening.notifies(timeout=0.5, stop_after=1))) == 1


@during
async def time_goes_on(sql: Sql) -> None:
    assert await sql.say("SELECT now()") < await sql.say("SELECT now()")


@during
async def what_must_be_outside_of_a_transaction(sql: Sql) -> None:
    async with sql.connected(isolation_level="AUTOCOMMIT") as one:
        await one.run("VACUUM shop")


@during
async def snapshots(sql: Sql, database: Database) -> None:
    database.snapshot()
    await sql.add()
    database.restore()
    assert await sql.count() == 0


# --- in the next test


@after
def rows() -> Any:
    async def first(sql: Sql) -> None:
        await sql.add()

    async def second(sql: Sql) -> None:
        assert await sql.count() == 0

    return first, second


@after
def rows_of_the_baseline() -> Any:
    async def first(sql: Sql) -> None:
        change = "UPDATE shop SET name = :new WHERE name = :name"
        await sql.say(change, new=sql.name, name=sql.baseline)
        await sql.say("DELETE FROM shop WHERE name = :name", name=sql.name)

    async def second(sql: Sql) -> None:
        query = "SELECT count(*) FROM shop WHERE name = :name"
        found = await sql.say(query, name=sql.baseline)
        if not found:
            await sql.say("INSERT INTO shop (name) VALUES (:name)", name=sql.baseline)
        assert found == 1

    return first, second


@after
def rows_of_other_processes() -> Any:
    async def first(sql: Sql) -> None:
        outside("INSERT INTO shop (name) VALUES (%s)", sql.name)

    async def second(sql: Sql) -> None:
        assert await sql.count() == 0

    return first, second


@after
def sequences() -> Any:
    before: dict[str, int] = {}

    async def first(sql: Sql) -> None:
        before[sql.name] = await sql.say("SELECT last_value FROM shop_id_seq")
        await sql.say("SELECT nextval('shop_id_seq')")

    async def second(sql: Sql) -> None:
        assert await sql.say("SELECT last_value FROM shop_id_seq") == before[sql.name]

    return first, second


@after
def the_schema() -> Any:
    def column(sql: Sql) -> str:
        return sql.name.replace(" ", "_")

    async def first(sql: Sql) -> None:
        await sql.say(f"ALTER TABLE item ADD COLUMN {column(sql)} int")

    async def second(sql: Sql) -> None:
        query = "SELECT count(*) FROM information_schema.columns WHERE column_name = :name"
        assert await sql.say(query, name=column(sql)) == 0

    return first, second


@after
def materialized_views() -> Any:
    async def first(sql: Sql) -> None:
        await sql.add()
        await sql.say("REFRESH MATERIALIZED VIEW sums")

    async def second(sql: Sql) -> None:
        assert await sql.say("SELECT count FROM sums") == 0

    return first, second


@after
def large_objects() -> Any:
    made: dict[str, int] = {}

    async def first(sql: Sql) -> None:
        made[sql.name] = await sql.say("SELECT lo_from_bytea(0, 'x')")

    async def second(sql: Sql) -> None:
        query = "SELECT count(*) FROM pg_largeobject_metadata WHERE oid = :oid"
        assert await sql.say(query, oid=made[sql.name]) == 0

    return first, second


@after
def settings_of_a_session() -> Any:
    async def first(sql: Sql) -> None:
        await sql.say("SET work_mem = '7MB'")

    async def second(sql: Sql) -> None:
        async with sql.connected() as one:
            found = await one.run("SHOW work_mem")
            if found == "7MB":
                await one.run("RESET work_mem")
                await one.commit()
        assert found != "7MB"

    return first, second


@after
def rows_of_a_wider_fixture_stay() -> Any:
    async def first(sql: Sql) -> None:
        await sql.add()

    async def second(sql: Sql) -> None:
        query = "SELECT count(*) FROM shop WHERE name = 'standing'"
        assert await sql.say(query) == 1

    return first, second


@after
def an_open_transaction_is_an_error_of_its_test() -> Any:
    async def first(sql: Sql) -> None:
        connection = psycopg.connect(os.environ["PLAIN_URL"])
        connection.execute("SELECT 1")
        LEFT.append(connection)

    async def second(sql: Sql) -> None:
        LEFT.pop().close()
        await sql.say("SELECT 1")

    return first, second


# --- the tests


@pytest.fixture(scope="module", autouse=True)
def standing() -> Iterator[None]:
    outside("INSERT INTO shop (name) VALUES ('standing')")
    yield
    outside("DELETE FROM shop WHERE name = 'standing'")


_MODES = pytest.mark.parametrize(
    "mode", [pytest.param(mode, marks=pytest.mark.isolation(mode)) for mode in MODES]
)
_DRIVERS = pytest.mark.parametrize("driver", DRIVERS)


@pytest.mark.parametrize("promise", DURING)
@_DRIVERS
@_MODES
def runs_during(mode: str, driver: str, promise: str, database: Database) -> None:
    sql = Sql(driver, mode, promise)
    more = [database] if promise == "snapshots" else []
    asyncio.run(DURING[promise](sql, *more))


@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("promise", AFTER)
@_DRIVERS
@_MODES
def runs_after(mode: str, driver: str, promise: str, part: int) -> None:
    asyncio.run(AFTER[promise][part](Sql(driver, mode, promise)))
