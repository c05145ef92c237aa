"""Resets beside connections that a test left behind, or ended."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from testkit.core.messages import TestkitError
from testkit.isolation.reset import DatabaseReset
from tests.support.journalled import PEOPLE, journalled
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Collection

    from testkit.servers.postgres import PostgresServer


@pytest.mark.slow
def test_a_lock_of_a_connection_left_behind_is_named_and_ended(
    server: PostgresServer,
) -> None:
    with journalled(server, *PEOPLE) as database:
        before = database.contents()
        database.run("UPDATE people SET name = name || '!'")
        forgotten = database.connect()
        forgotten.execute("SET application_name = 'forgetful'")
        forgotten.execute("BEGIN")
        forgotten.execute("SELECT * FROM people FOR UPDATE")
        with pytest.raises(TestkitError, match="TK302") as caught:
            database.reset.finish("a test")
        forgotten.close()

        assert "forgetful" in str(caught.value)
        assert "FOR UPDATE" in str(caught.value)
        assert database.contents() == before


def test_a_reset_survives_the_end_of_its_own_connection(server: PostgresServer) -> None:
    with journalled(server, *PEOPLE) as database:
        before = database.contents()
        for _ in range(2):
            database.run(
                "INSERT INTO people (name) VALUES ('x')",
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            database.reset.finish("a test that ends every other session")

        assert database.contents() == before
        assert database.reset.snapshot()


def test_a_session_with_an_advisory_lock_is_ended_where_it_lies_idle(
    server: PostgresServer,
) -> None:
    with journalled(server) as database, database.connect() as idle, database.connect() as busy:
        database.reset.claim(1, since=None, who="a fixture")
        idle.execute("SELECT pg_advisory_lock(1)")
        busy.execute("SELECT pg_advisory_lock(2)")
        asked: list[int] = []

        def lies_idle(pids: Collection[int]) -> list[int]:
            asked.extend(pids)
            return [idle.info.backend_pid]

        database.reset.end_lock_holders(lies_idle)
        held = busy.execute("SELECT pg_try_advisory_lock(1)").fetchone()

        assert set(asked) == {idle.info.backend_pid, busy.info.backend_pid}
        assert held == (True,)
        with pytest.raises(psycopg.OperationalError):
            idle.execute("SELECT 1")


def test_an_advisory_lock_of_a_session_that_the_test_opened_is_named_and_ended(
    server: PostgresServer,
) -> None:
    with journalled(server) as database:
        opened = database.connect()
        opened.execute("SELECT pg_advisory_lock(7)")
        with pytest.raises(TestkitError, match="TK302") as caught:
            database.reset.end_lock_holders(lambda _pids: [])
        with pytest.raises(psycopg.OperationalError):
            opened.execute("SELECT 1")
        database.reset.end_lock_holders(lambda _pids: [])

        assert "pg_advisory_lock(7)" in str(caught.value)


@pytest.mark.slow
def test_a_session_of_a_role_that_ours_may_not_end_is_left_alone(
    postgres_server: PostgresServer, owner_server: PostgresServer
) -> None:
    with journalled(owner_server) as database, postgres_server.connect(database.name) as other:
        other.execute("SELECT pg_advisory_lock(1)")
        database.reset.end_lock_holders(list)
        answer = other.execute("SELECT 1").fetchone()
        with postgres_server.connect() as admin:  # the database cannot be dropped by its owner else
            admin.execute("SELECT pg_terminate_backend(%s, 5000)", (other.info.backend_pid,))

        assert answer == (1,)


def test_a_transaction_left_open_is_ended_before_the_next_test_meets_its_rows(
    server: PostgresServer,
) -> None:
    with journalled(server, *PEOPLE) as database:
        before = database.contents()
        forgotten = database.connect()
        forgotten.execute("SET application_name = 'forgetful'")
        forgotten.execute("BEGIN")
        forgotten.execute("INSERT INTO people (name) VALUES ('of both')")
        with pytest.raises(TestkitError, match="TK302") as caught:
            database.reset.finish("a test", patience=0)
        with pytest.raises(psycopg.OperationalError):
            forgotten.execute("COMMIT")
        database.run("INSERT INTO people (name) VALUES ('of both')")
        database.reset.finish("the next test")

        assert "forgetful" in str(caught.value)
        assert "INSERT INTO people" in str(caught.value)
        assert database.contents() == before


def test_a_transaction_that_ends_by_itself_is_waited_for(server: PostgresServer) -> None:
    with journalled(server, *PEOPLE) as database:
        before = database.contents()
        with database.connect() as late, ThreadPoolExecutor(1) as pool:
            late.execute("BEGIN")
            late.execute("INSERT INTO people (name) VALUES ('of a background job')")
            finished = pool.submit(database.reset.finish, "a test", patience=60)
            with database.connect() as watcher:
                resets = (
                    "SELECT query_start FROM pg_stat_activity"
                    " WHERE datname = current_database()"
                    " AND query LIKE 'SELECT pid, xact_start%' AND application_name = 'testkit'"
                )
                wait_until(lambda: watcher.execute(resets).fetchone())
                first = watcher.execute(resets).fetchone()
                wait_until(lambda: watcher.execute(resets).fetchone() != first)
            late.execute("COMMIT")
            finished.result(60)

        assert database.contents() == before


@pytest.mark.slow
def test_a_transaction_on_which_somebody_is_at_work_is_left_alone(
    server: PostgresServer,
) -> None:
    with journalled(server, *PEOPLE) as database:
        before = database.contents()
        done = threading.Event()
        with database.connect() as worker, ThreadPoolExecutor(1) as pool:
            worker.execute("BEGIN")
            worker.execute("INSERT INTO people (name) VALUES ('of a background job')")

            def work() -> None:
                while not done.is_set():
                    worker.execute("SELECT 1")

            at_work = pool.submit(work)
            database.run("INSERT INTO people (name) VALUES ('of the test')")
            try:
                database.reset.finish("a test", patience=60)
            finally:
                done.set()
            at_work.result(60)

            assert database.contents() == before
            worker.execute("COMMIT")
        database.reset.finish("the next test")

        assert database.contents() == before


def test_what_was_rolled_back_to_a_savepoint_is_no_open_change(
    server: PostgresServer,
) -> None:
    """The recipe of a wider-scoped connection: its BEGIN is sent by the first test."""
    with journalled(server, *PEOPLE) as database, database.connect() as of_fixture:
        before = database.contents()
        database.reset.claim(1, since=None, who="a fixture")
        for name in ("ada's double", "another"):
            if of_fixture.info.transaction_status == TransactionStatus.IDLE:
                of_fixture.execute("BEGIN")
            of_fixture.execute("SAVEPOINT of_test")
            of_fixture.execute("INSERT INTO people (name) VALUES (%s)", (name,))
            of_fixture.execute("ROLLBACK TO SAVEPOINT of_test")
            database.reset.finish("a test", patience=0)

        assert database.contents() == before
        of_fixture.execute("ROLLBACK")


def test_a_temporary_table_is_no_open_change(server: PostgresServer) -> None:
    with journalled(server, *PEOPLE) as database, database.connect() as connection:
        database.reset.claim(1, since=None, who="a fixture")
        connection.execute("BEGIN")
        connection.execute("CREATE TEMP TABLE mine (id int) ON COMMIT DROP")
        connection.execute("INSERT INTO mine VALUES (1)")
        database.reset.finish("a test", patience=0)

        assert connection.execute("SELECT count(*) FROM mine").fetchone() == (1,)


def test_a_suspended_connection_is_left_alone(server: PostgresServer) -> None:
    with journalled(server, *PEOPLE) as database, database.connect() as suspended:
        before = database.contents()
        suspended.execute("BEGIN")
        suspended.execute("INSERT INTO people (name) VALUES ('of a task')")
        database.reset.close()
        database.reset = DatabaseReset(
            server,
            database.name,
            replaced=lambda: None,
            others=lambda: {suspended.info.backend_pid},
        )
        suspended.execute("ROLLBACK")
        suspended.execute("BEGIN")
        suspended.execute("INSERT INTO people (name) VALUES ('of a task')")
        database.reset.finish("a test", patience=60)
        suspended.execute("COMMIT")
        database.reset.finish("the next test")

        assert database.contents() == before


def test_a_transaction_of_a_wider_fixture_is_left_alone(server: PostgresServer) -> None:
    with journalled(server, *PEOPLE) as database, database.connect() as of_fixture:
        of_fixture.execute("BEGIN")
        of_fixture.execute("INSERT INTO people (name) VALUES ('of the fixture')")
        database.reset.claim(1, since=database.reset.snapshot(), who="a module's fixture")
        before = database.contents()
        for _ in range(2):
            database.run("INSERT INTO people (name) VALUES ('of the test')")
            of_fixture.execute(
                "UPDATE people SET name = 'still open' WHERE name = 'of the fixture'"
            )
            database.reset.finish("a test", patience=0)

        assert database.contents() == before
        of_fixture.execute("ROLLBACK")


def test_a_transaction_of_a_session_that_the_test_opened_is_ended_also_where_it_only_read(
    server: PostgresServer,
) -> None:
    with journalled(server, *PEOPLE) as database:
        reader = database.connect()
        reader.execute("BEGIN")
        reader.execute("SELECT name, id FROM people")
        with pytest.raises(TestkitError, match="TK302") as caught:
            database.reset.finish("a test", patience=0)
        with pytest.raises(psycopg.OperationalError):
            reader.execute("SELECT 1")

        assert "idle in transaction for 0." in str(caught.value)
        assert "last statement: SELECT name, id FROM people" in str(caught.value)


def test_older_transactions_that_only_read_and_those_of_other_databases_do_not_count(
    server: PostgresServer,
) -> None:
    with (
        journalled(server, *PEOPLE) as database,
        journalled(server, *PEOPLE) as other,
        database.connect() as reader,
        other.connect() as writer,
    ):
        before = database.contents()
        database.reset.claim(1, since=None, who="a fixture")
        for connection in (reader, writer):
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            connection.execute("SELECT * FROM people")
        writer.execute("INSERT INTO people (name) VALUES ('x')")
        database.run("INSERT INTO people (name) VALUES ('x')")
        database.reset.finish("a test", patience=0)

        assert database.contents() == before
        assert reader.execute("SELECT 1").fetchone() == writer.execute("SELECT 1").fetchone()


def test_what_was_prepared_and_never_finished_is_rolled_back(server: PostgresServer) -> None:
    prepared = (
        "BEGIN",
        "INSERT INTO people (name) VALUES ('x')",
        "PREPARE TRANSACTION 'of a test'",
    )
    with journalled(server, *PEOPLE) as database:
        before = database.contents()
        database.run(*prepared)
        database.reset.finish("a test")
        database.run(*prepared, "COMMIT PREPARED 'of a test'")
        changed = database.contents()
        database.reset.finish("the next test")

        assert len(changed["public.people"]) == 4  # type: ignore[arg-type]  # rows
        assert database.contents() == before
        with database.connect() as connection:
            assert connection.execute("SELECT gid FROM pg_prepared_xacts").fetchall() == []


def test_what_a_wider_fixture_prepared_is_left_alone(server: PostgresServer) -> None:
    with journalled(server, *PEOPLE) as database:
        since = database.reset.snapshot()
        database.run("BEGIN", "INSERT INTO people VALUES (9)", "PREPARE TRANSACTION 'of a fixture'")
        database.reset.claim(1, since=since, who="a fixture")
        database.run("INSERT INTO people (name) VALUES ('x')")
        database.reset.finish("a test")
        with database.connect() as connection:
            left = connection.execute("SELECT gid FROM pg_prepared_xacts").fetchall()
        database.run("ROLLBACK PREPARED 'of a fixture'")

        assert left == [("of a fixture",)]


def test_a_changed_schema_is_made_anew_over_a_prepared_transaction(server: PostgresServer) -> None:
    with journalled(server, *PEOPLE) as database:
        before = database.contents()
        since = database.reset.snapshot()
        database.run("BEGIN", "INSERT INTO people VALUES (9)", "PREPARE TRANSACTION 'of a fixture'")
        database.reset.claim(1, since=since, who="a fixture")
        database.run("CREATE TABLE other (id int)")
        database.reset.finish("a test")

        assert (database.contents(), database.replaced) == (before, 1)
