"""A statement that waits for a lock of the test itself ends, and both sides are named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from testkit.isolation.lock_waits import LockWaits
from tests.support.journalled import PEOPLE, Journalled, journalled
from tests.support.suites import Suite
from tests.testkit.isolation.conftest import ROLES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from testkit.servers.postgres import PostgresServer

UPDATE = "UPDATE people SET score = 1 WHERE name = 'ada'"
SOON = "SET lock_timeout = '10ms'"


@pytest.fixture(scope="module", params=ROLES)
def people(request: pytest.FixtureRequest) -> Iterator[Journalled]:
    server: PostgresServer = request.getfixturevalue(request.param)
    with journalled(server, *PEOPLE) as database:
        yield database


@pytest.fixture
def waits(people: Journalled) -> Iterator[LockWaits]:
    found = LockWaits(people.server, people.name)
    found.start()
    yield found
    found.stop()


@pytest.fixture
def holder(people: Journalled) -> Iterator[int]:
    """The backend of a connection that left a changed row uncommitted."""
    with people.connect() as connection:
        connection.execute("BEGIN")
        connection.execute(UPDATE.encode())
        yield connection.info.backend_pid
        connection.execute("ROLLBACK")


def test_a_database_under_test_has_a_timeout_and_its_application_the_last_word(
    people: Journalled,
) -> None:
    url = people.server.address(people.name).url("libpq")
    with (
        people.connect() as plain,
        psycopg.connect(url, options="-c lock_timeout=7s") as own,
    ):
        found = [each.execute("SHOW lock_timeout").fetchone() for each in (plain, own)]

    assert found == [("2s",), ("7s",)]


def test_a_database_made_anew_has_it_too(people: Journalled) -> None:
    replaced = people.replaced
    people.run("CREATE TABLE other (id int)")
    people.reset.finish("a test")
    with people.connect() as connection:
        found = connection.execute("SHOW lock_timeout").fetchone()

    assert (people.replaced, found) == (replaced + 1, ("2s",))


def test_both_statements_are_named(people: Journalled, waits: LockWaits, holder: int) -> None:
    engine = create_engine(people.server.address(people.name).url())
    with engine.connect() as connection:
        connection.execute(text(SOON))
        with pytest.raises(OperationalError):
            connection.execute(text("DELETE FROM people WHERE name = 'ada'"))
    engine.dispose()
    messages = waits.take()

    assert len(messages) == 1
    assert "DELETE FROM people WHERE name = 'ada'" in messages[0]
    assert f"pid {holder} " in messages[0]
    assert f"last statement: {UPDATE}" in messages[0]
    assert waits.take() == []


def test_an_error_that_reaches_the_test_is_told_once(
    people: Journalled, waits: LockWaits, holder: int
) -> None:
    engine = create_engine(people.server.address(people.name).url())
    with engine.connect() as connection:
        connection.execute(text(SOON))
        with pytest.raises(OperationalError) as caught:
            connection.execute(text(UPDATE))
    engine.dispose()
    waits.told(caught.value)
    messages = waits.take()

    assert len(messages) == 1
    assert f"pid {holder} " in messages[0]


def test_a_driver_used_alone_is_understood_by_what_the_test_fails_with(
    people: Journalled, waits: LockWaits, holder: int
) -> None:
    with people.connect() as connection:
        connection.execute(SOON)
        with pytest.raises(psycopg.errors.LockNotAvailable) as caught:
            connection.execute(UPDATE.encode())
    try:
        try:
            raise caught.value
        except psycopg.Error as error:
            raise ExceptionGroup("of two tasks", [ValueError(), error]) from None
    except ExceptionGroup as group:
        waits.told(group)
    messages = waits.take()

    assert len(messages) == 1
    assert f"pid {holder} " in messages[0]
    assert "see the traceback" in messages[0]


def test_other_errors_are_none_of_its_business(people: Journalled, waits: LockWaits) -> None:
    engine = create_engine(people.server.address(people.name).url())
    with engine.connect() as connection, pytest.raises(Exception, match="nowhere") as caught:
        connection.execute(text("SELECT * FROM nowhere"))
    engine.dispose()
    waits.told(caught.value)

    assert waits.take() == []


@pytest.mark.slow
@pytest.mark.parametrize("plugin", ["sync", pytest.param("asyncio", marks=pytest.mark.soak)])
def test_a_test_that_waits_for_itself_fails_with_the_reason_and_the_next_one_passes(
    tmp_path: Path, plugin: str
) -> None:
    suite = Suite(tmp_path)
    suite.write(
        "models.py",
        """
        from sqlalchemy import Column, Integer, MetaData, Table

        metadata = MetaData()
        Table("shop", metadata, Column("id", Integer, primary_key=True))
        """,
    )
    tests = {
        "sync": """
            from sqlalchemy import text

            def test_one(database, db_session):
                db_session.execute(text("INSERT INTO shop VALUES (1)"))
                with database.session() as application:
                    application.execute(text("INSERT INTO shop VALUES (1)"))

            def test_two(database, db_session):
                db_session.execute(text("INSERT INTO shop VALUES (1)"))
                db_session.commit()
            """,
        "asyncio": """
            import pytest
            from sqlalchemy import text
            from sqlalchemy.ext.asyncio import create_async_engine

            @pytest.mark.asyncio
            @pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
            async def test_one(database, async_db_session, driver):
                await async_db_session.execute(text("INSERT INTO shop VALUES (1)"))
                engine = create_async_engine(database.url(driver))
                try:
                    async with engine.begin() as application:
                        await application.execute(text("INSERT INTO shop VALUES (1)"))
                finally:
                    await engine.dispose()
            """,
    }
    suite.write("test_it.py", tests[plugin])
    suite.configure('schema = "metadata:models:metadata"')
    outcome = suite.run("-p", "no:randomly")

    expected = {"failed": 1, "passed": 1} if plugin == "sync" else {"failed": 2}

    outcome.check(code=1, **expected)
    assert outcome.text.count("TK307: A statement waited 2 s for a lock") == expected["failed"]
    assert "last statement: INSERT INTO shop VALUES (1)" in outcome.text
