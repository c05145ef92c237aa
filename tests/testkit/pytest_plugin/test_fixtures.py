"""What the fixtures give, in this very run and where a user has one of the same name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
import redis
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from tests.support.suites import Suite

if TYPE_CHECKING:
    from pathlib import Path

    import redis.asyncio

    from testkit.core.naming import UniqueNames
    from testkit.isolation.database import Database
    from testkit.servers.postgres import PostgresServer
    from testkit.servers.redis import RedisServer


@pytest.mark.parametrize("name", ["postgres_server", "redis_server"])
def test_the_facts_of_a_server_can_be_read(request: pytest.FixtureRequest, name: str) -> None:
    server = request.getfixturevalue(name)

    assert server.backend == "embedded"
    assert server.version[0].isdigit()
    assert server.reason.startswith("wheel ")
    assert f"-p {server.port}" in server.shell_command
    assert f"@127.0.0.1:{server.port}/" in server.url


def test_the_variables_of_env_lead_to_the_fixtures_servers(
    database: Database, redis_server: RedisServer
) -> None:
    assert os.environ["DATABASE_URL"] == database.url()
    assert os.environ["REDIS_URL"] == redis_server.url


def test_a_session_is_on_the_database_of_the_test(
    db_session: Session, database: Database, postgres_server: PostgresServer
) -> None:
    name = db_session.execute(text("SELECT current_database()")).scalar_one()

    assert type(db_session) is Session
    assert name == make_url(database.url()).database
    assert make_url(database.url()).port == postgres_server.port


async def test_an_asynchronous_session_is_on_the_same_database(
    async_db_session: AsyncSession, database: Database
) -> None:
    name = (await async_db_session.execute(text("SELECT current_database()"))).scalar_one()

    assert type(async_db_session) is AsyncSession
    assert name == make_url(database.url()).database


async def test_both_clients_are_on_one_keyspace(
    redis_client: redis.Redis, async_redis_client: redis.asyncio.Redis
) -> None:
    redis_client.set("from", "sync")
    found: Any = await async_redis_client.get("from")

    assert found == b"sync"


@pytest.mark.parametrize("turn", [1, 2])
def test_a_keyspace_is_empty_when_a_test_begins(redis_client: redis.Redis, turn: int) -> None:
    assert redis_client.incr("count") == 1


def test_unique_names_start_as_asked_and_name_the_worker(
    unique: UniqueNames, worker_id: str
) -> None:
    one, two = unique("module"), unique("module")

    assert one != two
    assert one.startswith("module-")
    if worker_id != "master":
        assert f"-{worker_id}-" in one


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value"),
    [("unique", "lambda prefix: prefix"), ("database", "'my own'"), ("redis_client", "'mine'")],
)
def test_a_fixture_of_the_user_wins(tmp_path: Path, name: str, value: str) -> None:
    suite = Suite(
        tmp_path,
        conftest=f"""
        import pytest

        @pytest.fixture
        def {name}():
            return {value}
    """,
        test_it=f"""
        def test_it({name}):
            assert ({name}("x") if callable({name}) else {name}) in ("x", "my own", "mine")
    """,
    )
    outcome = suite.run()

    outcome.check(passed=1)
    assert "testkit: Postgres" not in outcome.text


def test_every_fixture_is_listed_with_what_it_gives(tmp_path: Path) -> None:
    outcome = Suite(tmp_path, test_it="").run("--fixtures", "-v")
    names = (
        "postgres_server", "redis_server", "database", "db_session", "async_db_session",
        "redis_client", "async_redis_client", "unique",
    )  # fmt: skip
    after = {
        line.split()[0]: number
        for number, line in enumerate(outcome.text.splitlines())
        if line and not line.startswith(" ")
    }
    documented = outcome.text.splitlines()

    assert set(names) <= after.keys()
    assert [n for n in names if not documented[after[n] + 1].startswith("    ")] == []
    assert "no docstring available" not in "\n".join(documented[after[name] + 1] for name in names)


@pytest.mark.slow
@pytest.mark.parametrize("env", ['env = { DATABASE_URL = "{database.url}" }', ""])
def test_a_wider_fixture_builds_on_the_database_what_its_tests_start_from(
    tmp_path: Path, env: str
) -> None:
    suite = Suite(
        tmp_path,
        conftest="""
        import sqlalchemy as sa

        def words(database):
            with database.engine.connect() as connection:
                if connection.scalar(sa.text("SELECT to_regclass('words')")) is None:
                    return None
                return list(connection.scalars(sa.text("SELECT word FROM words ORDER BY 1")))
    """,
        test_a="""
        import pytest
        import sqlalchemy as sa
        from conftest import words

        @pytest.fixture(scope="module")
        def shop(database):
            with database.session() as session:
                session.execute(sa.text("CREATE TABLE words (word text)"))
                session.execute(sa.text("INSERT INTO words VALUES ('of the module')"))
                session.commit()

        @pytest.mark.parametrize("time", range(3))
        def test_it(shop, database, db_session, time):
            assert words(database) == ["of the module"]
            db_session.execute(sa.text("INSERT INTO words VALUES ('of the test')"))
            db_session.execute(sa.text("DELETE FROM words WHERE word LIKE '%module'"))
            db_session.commit()
            assert words(database) == ["of the test"]
    """,
        test_b="""
        from conftest import words

        def test_after(database):
            assert words(database) is None
    """,
    )
    suite.configure(env)
    outcome = suite.run("-p", "no:randomly")

    outcome.check(passed=4)
