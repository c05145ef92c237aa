"""What asyncpg sees when rules strike a real server's bytes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from testkit.faults.protocols.postgres_rules import PostgresRules
    from testkit.faults.protocols.rules import Rule
    from tests.support.passing import Passing

INSERT = "INSERT INTO outbox (id) VALUES ($1)"


@pytest.fixture
async def connection(url: str, outbox: Any) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url)
    yield connection
    connection.terminate()


def rows(outbox: Any) -> list[int]:
    return [row[0] for row in outbox.execute("SELECT id FROM outbox ORDER BY id")]


async def test_a_commit_whose_reply_is_lost_was_done(
    connection: Any, outbox: Any, rules: PostgresRules[Rule]
) -> None:
    await connection.execute("BEGIN")
    await connection.execute(INSERT, 1)
    rules.reply("COMMIT").lost()

    with pytest.raises(asyncio.TimeoutError):
        await connection.execute("COMMIT", timeout=0.05)
    wait_until(lambda: rows(outbox) == [1])


async def test_a_statement_that_is_dropped_was_not_done(
    connection: Any, outbox: Any, rules: PostgresRules[Rule]
) -> None:
    await connection.execute(INSERT, 0)  # from here on it is prepared
    rule = rules.request("INSERT").dropped()

    with pytest.raises(asyncio.TimeoutError):
        await connection.execute(INSERT, 1, timeout=0.05)
    assert rows(outbox) == [0]
    assert rule.struck == 1


async def test_a_statement_in_the_cache_is_known(
    connection: Any, outbox: Any, rules: PostgresRules[Rule]
) -> None:
    rules.request("INSERT", table="outbox").nth(3).answered(sqlstate="40001", message="again")
    await connection.execute(INSERT, 1)
    await connection.execute(INSERT, 2)

    with pytest.raises(asyncpg.SerializationError, match="again"):
        await connection.execute(INSERT, 3)
    await connection.execute(INSERT, 4)
    assert rows(outbox) == [1, 2, 4]


async def test_the_first_use_of_a_statement_is_answered(
    connection: Any, outbox: Any, rules: PostgresRules[Rule]
) -> None:
    rules.request("INSERT").answered(sqlstate="40001")

    with pytest.raises(asyncpg.SerializationError):
        await connection.execute(INSERT, 1)
    await connection.execute(INSERT, 2)
    assert rows(outbox) == [2]


@pytest.mark.parametrize("end", ["ROLLBACK", "COMMIT"])
async def test_an_answered_error_aborts_the_transaction(
    connection: Any, outbox: Any, rules: PostgresRules[Rule], end: str
) -> None:
    await connection.execute("BEGIN")
    await connection.execute(INSERT, 1)
    rules.request("INSERT").answered(sqlstate="23505")
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute(INSERT, 2)
    with pytest.raises(asyncpg.InFailedSQLTransactionError):
        await connection.fetchval("SELECT 1")

    assert await connection.execute(end) == "ROLLBACK"
    assert rows(outbox) == []
    assert await connection.fetchval("SELECT 1") == 1


async def test_a_commit_that_fails_has_ended_its_transaction(
    connection: Any, outbox: Any, rules: PostgresRules[Rule]
) -> None:
    rules.request("COMMIT").answered(sqlstate="40001")
    with pytest.raises(asyncpg.SerializationError):
        async with connection.transaction():
            await connection.execute(INSERT, 1)

    assert not connection.is_in_transaction()
    assert rows(outbox) == []


async def test_a_connection_that_is_reset_at_a_reply(
    connection: Any, outbox: Any, rules: PostgresRules[Rule]
) -> None:
    rules.reply("INSERT").reset()

    with pytest.raises((asyncpg.PostgresConnectionError, ConnectionError)):
        await connection.execute(INSERT, 1)
    wait_until(lambda: rows(outbox) == [1])


async def test_everything_of_asyncpg_is_paired(
    connection: Any, outbox: Any, passing: Passing
) -> None:
    async with connection.transaction():
        found = [row[0] async for row in connection.cursor("SELECT generate_series(1, 120)")]
    await connection.executemany(INSERT, [(n,) for n in range(200)])
    await connection.copy_records_to_table("outbox", records=[(n,) for n in range(300, 400)])
    statement = await connection.prepare("SELECT count(*) FROM outbox WHERE id >= $1")
    with pytest.raises(asyncpg.UndefinedTableError):
        await connection.fetch("SELECT 1 FROM missing")

    assert len(found) == 120
    assert await statement.fetchval(0) == 300

    def told(what: str) -> list[str]:
        return [text.removeprefix(what) for text in passing.texts if text.startswith(what)]

    assert told("request ") == told("reply to ")
    assert told("request ").count("INSERT outbox") == 200
