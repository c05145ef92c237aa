"""What psycopg sees when rules strike a real server's bytes."""

from __future__ import annotations

import os
import socket
import threading
from typing import TYPE_CHECKING, Any, TypeAlias

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from testkit.faults.protocols.postgres_rules import PostgresRules
    from testkit.faults.protocols.rules import Rule
    from tests.support.passing import Passing

Connection: TypeAlias = "psycopg.Connection[tuple[Any, ...]]"
INSERT = "INSERT INTO outbox (id) VALUES (%s)"


@pytest.fixture
def connection(url: str, outbox: Connection) -> Any:
    with psycopg.connect(url) as connection:
        yield connection


def rows(outbox: Connection) -> list[int]:
    return [row[0] for row in outbox.execute("SELECT id FROM outbox ORDER BY id")]


def insert_in_a_pipeline(connection: Connection, times: int) -> None:
    with connection.pipeline():
        for number in range(times):
            connection.execute(INSERT, (number,))


def paired(passing: Passing) -> list[str]:
    """Return what was asked, once each of it has its reply."""

    def told(what: str) -> list[str]:
        return [text.removeprefix(what) for text in list(passing.texts) if text.startswith(what)]

    wait_until(lambda: len(told("request ")) == len(told("reply to ")))
    assert told("request ") == told("reply to ")
    return told("request ")


def test_a_commit_whose_reply_is_lost_was_done(
    connection: Connection, outbox: Connection, rules: PostgresRules[Rule]
) -> None:
    connection.execute(INSERT, (1,))
    rule = rules.reply("COMMIT").lost()
    seen: list[BaseException] = []

    def commit() -> None:
        try:
            connection.commit()
        except psycopg.OperationalError as error:
            seen.append(error)

    thread = threading.Thread(target=commit)
    thread.start()
    wait_until(lambda: rule.struck)
    wait_until(lambda: rows(outbox) == [1])
    with socket.socket(fileno=os.dup(connection.fileno())) as ours:
        ours.shutdown(socket.SHUT_RDWR)
    thread.join()

    assert len(seen) == 1


@pytest.mark.parametrize(("on", "done"), [("request", []), ("reply", [1])])
def test_a_connection_that_is_reset_at_a_commit(
    connection: Connection, outbox: Connection, rules: PostgresRules[Rule], on: str, done: list[int]
) -> None:
    connection.execute(INSERT, (1,))
    _ = (rules.request if on == "request" else rules.reply)("COMMIT").reset()

    with pytest.raises(psycopg.OperationalError):
        connection.commit()
    wait_until(lambda: rows(outbox) == done)


def test_a_reply_that_is_cut_is_a_lost_connection(
    connection: Connection, outbox: Connection, rules: PostgresRules[Rule]
) -> None:
    connection.autocommit = True
    rules.reply("INSERT", table="outbox").cut(after=7)

    with pytest.raises(psycopg.OperationalError):
        connection.execute(INSERT, (1,))
    assert rows(outbox) == [1]


@pytest.mark.parametrize("binary", [False, True])
def test_an_error_outside_of_a_transaction(
    connection: Connection,
    outbox: Connection,
    rules: PostgresRules[Rule],
    binary: bool,  # noqa: FBT001
) -> None:
    connection.autocommit = True
    rules.request("insert", table="OUTBOX").answered(sqlstate="40001", message="try again")

    with pytest.raises(psycopg.errors.SerializationFailure, match=r"^try again$"):
        connection.execute(INSERT, (1,), binary=binary)
    assert connection.info.transaction_status == TransactionStatus.IDLE
    connection.execute(INSERT, (2,), binary=binary)
    assert rows(outbox) == [2]


def test_an_error_in_a_simple_query(connection: Connection, rules: PostgresRules[Rule]) -> None:
    rules.request(sql="pg_sleep").answered(sqlstate="57014")

    with pytest.raises(psycopg.errors.QueryCanceled):
        connection.execute("SELECT pg_sleep(1000)")
    assert connection.info.transaction_status == TransactionStatus.INERROR


def test_a_transaction_with_an_answered_error_is_aborted_until_its_rollback(
    connection: Connection, outbox: Connection, rules: PostgresRules[Rule]
) -> None:
    connection.execute(INSERT, (1,))
    rules.request("INSERT").answered(sqlstate="40P01")

    with pytest.raises(psycopg.errors.DeadlockDetected):
        connection.execute(INSERT, (2,))
    assert connection.info.transaction_status == TransactionStatus.INERROR
    with pytest.raises(psycopg.errors.InFailedSqlTransaction):
        connection.execute(INSERT, (3,))
    connection.rollback()
    connection.execute(INSERT, (4,))
    connection.commit()
    assert rows(outbox) == [4]


def test_a_commit_of_an_aborted_transaction_is_a_rollback(
    connection: Connection, outbox: Connection, rules: PostgresRules[Rule]
) -> None:
    connection.execute(INSERT, (1,))
    rules.request("INSERT").answered(sqlstate="40P01")
    with pytest.raises(psycopg.errors.DeadlockDetected):
        connection.execute(INSERT, (2,))
    done = connection.execute("COMMIT")

    assert done.statusmessage == "ROLLBACK"
    assert connection.info.transaction_status == TransactionStatus.IDLE
    assert rows(outbox) == []


def test_a_savepoint_before_the_error_is_kept(
    connection: Connection, outbox: Connection, rules: PostgresRules[Rule]
) -> None:
    connection.execute(INSERT, (1,))
    rules.request("INSERT").answered(sqlstate="23505", message="duplicate key")
    with pytest.raises(psycopg.errors.UniqueViolation), connection.transaction():
        connection.execute(INSERT, (2,))
    connection.commit()

    assert rows(outbox) == [1]


def test_a_commit_that_fails_has_ended_its_transaction(
    connection: Connection, outbox: Connection, rules: PostgresRules[Rule]
) -> None:
    connection.execute(INSERT, (1,))
    rules.request("COMMIT").answered(sqlstate="40001")

    with pytest.raises(psycopg.errors.SerializationFailure):
        connection.commit()
    assert connection.info.transaction_status == TransactionStatus.IDLE
    assert rows(outbox) == []
    connection.execute(INSERT, (1,))
    connection.commit()
    assert rows(outbox) == [1]


def test_statements_that_psycopg_prepared_are_known(
    connection: Connection, outbox: Connection, rules: PostgresRules[Rule]
) -> None:
    rule = rules.request("INSERT").nth(8).answered(sqlstate="40001")
    for number in range(7):
        connection.execute(INSERT, (number,))
    prepared = connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()
    connection.commit()

    assert prepared == (1,)
    with pytest.raises(psycopg.errors.SerializationFailure):
        connection.execute(INSERT, (8,))
    connection.rollback()
    connection.execute(INSERT, (9,))
    connection.commit()
    assert rows(outbox) == [*range(7), 9]
    assert rule.seen == 8


def test_the_rest_of_a_pipeline_is_skipped(
    connection: Connection, outbox: Connection, rules: PostgresRules[Rule]
) -> None:
    rules.request("INSERT").nth(2).answered(sqlstate="40001")
    with pytest.raises(psycopg.errors.SerializationFailure):
        insert_in_a_pipeline(connection, 4)
    connection.rollback()

    assert rows(outbox) == []
    insert_in_a_pipeline(connection, 4)
    connection.commit()
    assert rows(outbox) == [0, 1, 2, 3]


def test_a_copy_is_a_request_with_a_reply(
    connection: Connection, outbox: Connection, passing: Passing, rules: PostgresRules[Rule]
) -> None:
    cursor = connection.cursor()
    with cursor.copy("COPY outbox FROM STDIN") as copy:
        for number in range(1000):
            copy.write_row((number,))
    rules.request("COPY").nth(2).answered(sqlstate="53100", message="disk full")
    with cursor.copy("COPY outbox TO STDOUT") as copy:
        found = list(copy.rows())
    connection.commit()

    assert len(found) == 1000
    assert paired(passing)[2:] == ["BEGIN", "COPY outbox", "COPY outbox", "COMMIT"]
    with (
        pytest.raises(psycopg.errors.DiskFull, match="disk full"),
        cursor.copy("COPY outbox FROM STDIN") as copy,
    ):
        copy.write_row((5000,))


def test_the_second_fetch_of_a_cursor_of_the_server(
    connection: Connection, rules: PostgresRules[Rule]
) -> None:
    rules.request("FETCH").nth(2).answered(sqlstate="57014")
    with connection.cursor(name="many") as cursor:
        cursor.execute("SELECT generate_series(1, 100)")

        assert len(cursor.fetchmany(10)) == 10
        with pytest.raises(psycopg.errors.QueryCanceled):
            cursor.fetchmany(10)
        connection.rollback()


def test_everything_of_psycopg_is_paired(
    connection: Connection, outbox: Connection, passing: Passing
) -> None:
    connection.execute("LISTEN channel")
    connection.execute("NOTIFY channel, 'hello'")
    connection.commit()
    with pytest.raises(psycopg.errors.UndefinedTable):
        connection.execute("SELECT 1 FROM missing WHERE 1 = %s", (1,))
    connection.rollback()
    connection.cursor().executemany(INSERT, [(n,) for n in range(50)])
    with connection.pipeline() as pipeline:
        connection.execute(INSERT, (100,))
        pipeline.sync()
        connection.execute(INSERT, (101,))
    connection.execute("SET TIME ZONE 'Europe/Oslo'")
    connection.execute("; ")
    connection.commit()

    asked = paired(passing)
    assert asked[:4] == ["encryption", "startup", "BEGIN", "LISTEN"]
    assert asked.count("INSERT outbox") == 52


def test_what_the_server_gets_without_rules_is_what_was_sent(
    connection: Connection, outbox: Connection, passing: Passing
) -> None:
    connection.execute(INSERT, (1,))
    connection.commit()

    assert b"INSERT INTO outbox (id) VALUES ($1)" in passing.bytes_to_server
    assert "garbage" not in " ".join(passing.texts)
