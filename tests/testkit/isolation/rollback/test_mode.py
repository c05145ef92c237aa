"""The mode ``rollback``: engines behave as with real commits, and nothing stays."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from testkit.core.messages import TestkitError
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from tests.testkit.isolation.rollback.conftest import RolledBack

NAMES = text("SELECT name FROM shop ORDER BY name")


def add(connection: Connection | Session, name: str) -> None:
    connection.execute(text("INSERT INTO shop (name) VALUES (:name)"), {"name": name})


def asleep(shared: RolledBack) -> bool:
    return bool(
        shared.database.reset.ask(
            "SELECT FROM pg_stat_activity WHERE query ~ '^SELECT pg_sleep' AND state = 'active'"
            " AND datname = current_database()"
        )
    )


def names(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(NAMES).scalars())


# --- what is committed is seen by the others, and undone


def test_what_one_engine_commits_others_see_and_nobody_outside(shared: RolledBack) -> None:
    one, other = shared.engine(), shared.engine()

    with one.begin() as connection:
        add(connection, "a")
    with other.begin() as connection:
        add(connection, "b")

    assert names(one) == names(other) == ["a", "b"]
    assert shared.names() == []
    assert shared.end() == []
    shared.begin()
    assert names(one) == []


def test_sync_and_async_engines_share_it_in_any_loop(shared: RolledBack) -> None:
    engine, async_engine = shared.engine(), shared.async_engine()

    async def add_and_look() -> list[str]:
        async with AsyncSession(async_engine) as session:
            count = len((await session.execute(NAMES)).all())
            await session.execute(text("INSERT INTO shop (name) VALUES (:n)"), {"n": f"b{count}"})
            await session.commit()
            return list((await session.execute(NAMES)).scalars())

    with Session(engine) as session:
        add(session, "a")
        session.commit()
    assert asyncio.run(add_and_look()) == ["a", "b1"]
    assert asyncio.run(add_and_look()) == ["a", "b1", "b2"]
    assert names(engine) == ["a", "b1", "b2"]
    assert shared.end() == []


def test_many_tasks_at_once_keep_their_own_transactions(shared: RolledBack) -> None:
    engine = shared.async_engine()

    async def work(number: int) -> None:
        async with AsyncSession(engine) as session:
            await session.execute(
                text("INSERT INTO shop (name) VALUES (:n)"), {"n": f"{number:02}"}
            )
            await session.execute(NAMES)
            await session.commit()

    async def all_at_once() -> None:
        await asyncio.gather(*map(work, range(20)))

    asyncio.run(all_at_once())

    assert names(shared.engine()) == [f"{n:02}" for n in range(20)]
    assert shared.end() == []


def test_threads_keep_their_own_transactions(shared: RolledBack) -> None:
    engine = shared.engine(pool_size=8)

    def work(number: int) -> None:
        for turn in range(5):
            with engine.begin() as connection:
                add(connection, f"{number}{turn}")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(names(engine)) == 40
    assert shared.end() == []


def test_hooks_behind_a_commit_fire_in_session_and_engine(shared: RolledBack) -> None:
    engine = shared.engine()
    fired = []
    event.listen(engine, "commit", lambda _connection: fired.append("engine"))
    with Session(engine) as session:
        event.listen(session, "after_commit", lambda _session: fired.append("session"))
        add(session, "a")
        session.commit()

    assert fired == ["engine", "session"]


def test_a_rollback_undoes_its_own_and_no_more(shared: RolledBack) -> None:
    engine = shared.engine()
    with engine.connect() as one, engine.connect() as other:
        one.execute(NAMES)
        add(other, "kept")
        other.commit()
        one.rollback()
        add(one, "gone")
        one.rollback()

    assert names(engine) == ["kept"]
    assert shared.end() == []


def test_a_statement_that_fails_ends_its_own_transaction_only(shared: RolledBack) -> None:
    engine = shared.engine()
    with engine.connect() as one, engine.connect() as other:
        add(one, "one")
        with pytest.raises(IntegrityError):
            add(one, "one")
        add(other, "other")
        other.commit()
        with pytest.raises(DBAPIError, match="current transaction is aborted"):
            one.execute(NAMES)
        one.rollback()
        add(one, "again")
        one.commit()

    assert names(engine) == ["again", "other"]
    assert shared.end() == []


def test_savepoints_of_the_application(shared: RolledBack) -> None:
    engine = shared.engine()
    with Session(engine) as session:
        add(session, "outer")
        with pytest.raises(IntegrityError), session.begin_nested():
            add(session, "outer")
        with session.begin_nested():
            add(session, "inner")
            with engine.begin() as other:
                add(other, "meanwhile")
        nested = session.begin_nested()
        add(session, "undone")
        nested.rollback()
        session.commit()

    assert names(engine) == ["inner", "meanwhile", "outer"]
    assert shared.end() == []


def test_autocommit_makes_each_statement_a_transaction(shared: RolledBack) -> None:
    engine = shared.engine(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        add(connection, "a")
        with pytest.raises(IntegrityError):
            add(connection, "a")
        add(connection, "b")
        connection.exec_driver_sql("BEGIN")
        add(connection, "c")
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("BEGIN")
        add(connection, "d")
        connection.exec_driver_sql("COMMIT")

    assert names(shared.engine()) == ["a", "b", "d"]
    assert shared.names() == []
    assert shared.end() == []


def test_what_is_ended_by_words_is_ended_within_the_test(shared: RolledBack) -> None:
    engine = shared.engine()
    with engine.connect() as connection:
        add(connection, "a")
        connection.exec_driver_sql("COMMIT")
        add(connection, "b")
        connection.exec_driver_sql("ROLLBACK")

    assert names(engine) == ["a"]
    assert shared.names() == []
    assert shared.end() == []


def test_cursors_of_every_kind(shared: RolledBack) -> None:
    engine = shared.engine(pool_pre_ping=True)
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO shop (name) VALUES (:name)"), [{"name": f"{n}"} for n in range(5)]
        )
        cursor = connection.connection.cursor()
        with cursor.copy("COPY shop (name) FROM STDIN") as copy:
            copy.write_row(("copied",))
        rows = connection.execution_options(stream_results=True).execute(NAMES)
        assert len(list(rows)) == 6
        driver: Any = connection.connection.driver_connection
        with driver.transaction(force_rollback=True):
            driver.execute("INSERT INTO shop (name) VALUES ('undone')")

    assert len(names(engine)) == 6
    assert shared.end() == []


@pytest.mark.parametrize("examples", [10, pytest.param(100, marks=pytest.mark.slow)])
def test_random_programs_commit_what_real_transactions_commit(
    shared: RolledBack, examples: int
) -> None:
    engine = shared.engine(pool_size=3)
    operations = ["write", "read", "fail", "commit", "rollback", "nest", "unnest", "back"]
    exact = []

    @settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(operations)), max_size=25))
    def run(program: list[tuple[int, str]]) -> None:
        with engine.connect() as one, engine.connect() as two, engine.connect() as three:
            _play(program, [c.connection.driver_connection for c in (one, two, three)])
        found = names(engine)
        codes = shared.end()
        real = [shared.database.connect() for _ in range(3)]
        for connection in real:
            connection.autocommit = False
        _play(program, real)
        for connection in real:
            connection.close()
        expected = shared.names()
        shared.database.run("DELETE FROM shop")
        shared.begin()
        exact.append(not codes)
        if codes:
            assert codes == ["TK376"]
        else:
            assert found == expected

    run()

    assert sum(exact) > len(exact) / 4


def _play(program: list[tuple[int, str]], connections: list[Any]) -> None:
    """Run the operations, and roll back what is open at the end."""
    nested: list[list[str]] = [[] for _ in connections]
    for key, (number, operation) in enumerate(program):
        connection, savepoints = connections[number], nested[number]
        if operation in {"commit", "rollback"}:
            getattr(connection, operation)()
            savepoints.clear()
        elif statement := _statement(operation, key, savepoints):
            with contextlib.suppress(psycopg.Error):
                connection.execute(statement)
    for connection in connections:
        connection.rollback()


def _statement(operation: str, key: int, savepoints: list[str]) -> str | None:
    if operation == "nest":
        savepoints.append(f"sp_{key}")
        return f"SAVEPOINT {savepoints[-1]}"
    if operation in {"unnest", "back"}:
        if not savepoints:
            return None
        if operation == "back":
            return f"ROLLBACK TO SAVEPOINT {savepoints[-1]}"
        return f"RELEASE SAVEPOINT {savepoints.pop()}"
    return {
        "write": f"INSERT INTO shop (name) VALUES ('{key}')",
        "read": "SELECT 1",
        "fail": "SELECT 1 / 0",
    }[operation]


# --- constraints


def test_a_deferred_constraint_is_checked_at_the_commit(shared: RolledBack) -> None:
    engine = shared.engine()
    with Session(engine) as session:
        session.execute(text("INSERT INTO item (id, shop) VALUES (1, 7)"))
        with pytest.raises(IntegrityError, match="item_shop_fkey"):
            session.commit()
        session.rollback()
        session.execute(text("INSERT INTO item (id, shop) VALUES (1, 7)"))
        session.execute(text("INSERT INTO shop (id, name) VALUES (7, 'late')"))
        session.commit()

    assert names(engine) == ["late"]
    assert shared.end() == []


def test_a_check_that_others_put_off_comes_at_the_end(shared: RolledBack) -> None:
    engine = shared.engine()
    with engine.connect() as one, engine.connect() as other:
        other.execute(text("INSERT INTO item (id, shop) VALUES (1, 7)"))
        add(one, "open")
        other.commit()
        one.rollback()

    with pytest.raises(TestkitError, match=r"TK371.*item_shop_fkey") as caught:
        shared.end()
    assert caught.value.code == "TK371"
    shared.begin()
    assert names(engine) == []


# --- what it cannot show


def test_what_cannot_be_shown_is_told(shared: RolledBack) -> None:
    engine = shared.engine()
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_notify('a', 'b')"))
        connection.execute(text("INSERT INTO visit DEFAULT VALUES"))
    with engine.connect() as connection:
        connection.execution_options(isolation_level="SERIALIZABLE").execute(text("SELECT now()"))

    assert shared.end() == ["TK373", "TK374", "TK375"]
    shared.begin()
    with engine.begin() as connection:
        connection.execute(text("SELECT now(), now()"))
    assert shared.end() == []


def test_what_a_rollback_took_along_is_told(shared: RolledBack) -> None:
    engine = shared.engine()
    with engine.connect() as one, engine.connect() as other:
        add(one, "one")
        add(other, "other")
        other.commit()
        one.rollback()

    shared.mode.end(cut_short=False)
    (note,) = shared.mode.notes()
    assert note.code == "TK376"
    assert str(note).count("test_mode.py:") == 2, str(note)


@pytest.mark.parametrize("kind", ["psycopg2", "asyncpg", "creator", "options"])
def test_a_connection_that_cannot_join_is_told(shared: RolledBack, kind: str) -> None:
    async def use_asyncpg() -> None:
        engine = shared.async_engine(shared.url("asyncpg"))
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    if kind == "asyncpg":
        asyncio.run(use_asyncpg())
    else:
        engine = {
            "psycopg2": lambda: shared.engine(shared.url("libpq").replace(":", "+psycopg2:", 1)),
            "creator": lambda: shared.engine(creator=shared.database.connect),
            "options": lambda: shared.engine(connect_args={"options": "-c work_mem=8MB"}),
        }[kind]()
        for _ in range(3):
            with engine.connect() as connection:
                connection.execute(text("SELECT 1"))

    shared.mode.end(cut_short=False)
    (note,) = shared.mode.notes()
    assert note.code == "TK372"
    assert "test_mode.py:" in str(note)


def test_what_would_end_the_transaction(shared: RolledBack) -> None:
    engine = shared.engine()
    with engine.connect() as connection:
        add(connection, "a")
        with pytest.raises(DBAPIError, match="TK377"):
            connection.exec_driver_sql("PREPARE TRANSACTION 'x'")
        connection.rollback()
    assert shared.end() == []
    shared.begin()
    with engine.connect() as connection:
        connection.exec_driver_sql("INSERT INTO shop (name) VALUES ('b'); COMMIT")
    with pytest.raises(TestkitError) as caught:
        shared.end()

    assert caught.value.code == "TK377"
    assert "VALUES ('b'); COMMIT" in str(caught.value)
    shared.database.reset.finish("the test")
    assert shared.names() == []


def test_a_synchronous_statement_in_the_middle_of_an_asynchronous_one(shared: RolledBack) -> None:
    engine, async_engine = shared.engine(), shared.async_engine()
    names(engine)

    async def both() -> None:
        async with async_engine.connect() as connection:
            task = asyncio.ensure_future(connection.execute(text("SELECT pg_sleep(0.1)")))
            await asyncio.to_thread(wait_until, lambda: asleep(shared))
            with pytest.raises(TestkitError) as caught:
                names(engine)
            assert caught.value.code == "TK378"
            await task
            await asyncio.to_thread(names, engine)

    asyncio.run(both())


# --- from one test to the next


def test_a_connection_that_was_not_returned_is_told_and_closed(shared: RolledBack) -> None:
    engine = shared.engine()
    left = engine.connect()
    add(left, "left")

    with pytest.raises(TestkitError) as caught:
        shared.end()

    assert caught.value.code == "TK302"
    assert "test_mode.py:" in str(caught.value)
    shared.begin()
    with pytest.raises(OperationalError, match="the connection is closed"):
        left.execute(NAMES)
    left.close()
    assert names(engine) == []
    assert shared.end() == []


def test_outside_of_a_test_engines_connect_for_themselves(shared: RolledBack) -> None:
    engine = shared.engine()
    assert names(engine) == []
    with shared.periods.apart(), engine.begin() as connection:  # a wider fixture's set-up
        add(connection, "stays")
    assert names(engine) == ["stays"]
    with engine.begin() as connection:
        add(connection, "goes")
    shared.end()
    assert shared.names() == ["stays"]
    assert names(engine) == ["stays"]


def test_settings_of_one_test_do_not_reach_the_next(shared: RolledBack) -> None:
    engine, plain = shared.engine(), shared.engine()
    made = []

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: object) -> None:
        made.append(connection)
        connection.execute("SET search_path = pg_catalog, public")
        connection.commit()

    def path(engine: Engine) -> object:
        with engine.connect() as connection:
            return connection.scalar(text("SHOW search_path"))

    assert path(engine) == "pg_catalog, public"
    with plain.begin() as connection:
        connection.execute(text("SELECT pg_advisory_lock(1)"))
        connection.execute(text("PREPARE mine AS SELECT 1"))
    shared.end()
    shared.begin()
    assert path(plain) != "pg_catalog, public"
    with plain.begin() as connection:
        connection.execute(text("PREPARE mine AS SELECT 1"))
        assert not connection.scalar(
            text(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
                " AND pid = pg_backend_pid()"
            )
        )
    assert path(engine) == "pg_catalog, public"
    assert len(made) == 2
    shared.end()


def test_a_session_that_the_server_ended_is_made_anew(shared: RolledBack) -> None:
    engine = shared.engine()
    assert names(engine) == []
    shared.database.reset.ask(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with pytest.raises(OperationalError), engine.connect() as connection:
        connection.execute(NAMES)
    with pytest.raises(TestkitError) as caught:
        shared.end()
    assert caught.value.code == "TK379"
    shared.begin()
    assert names(engine) == []
    shared.end()


def test_somebody_at_work_at_the_end_is_cut_off(shared: RolledBack) -> None:
    engine = shared.engine()
    ended = []

    def sleep() -> None:
        with pytest.raises(OperationalError), engine.connect() as connection:
            connection.execute(text("SELECT pg_sleep(60)"))
        ended.append(True)

    thread = threading.Thread(target=sleep)
    thread.start()
    wait_until(lambda: asleep(shared))

    with pytest.raises(TestkitError) as caught:
        shared.end()
    thread.join()

    assert (caught.value.code, ended) == ("TK302", [True])
    shared.begin()
    assert names(engine) == []
