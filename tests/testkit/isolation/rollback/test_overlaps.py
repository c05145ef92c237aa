"""Connections that are used at the same time in one transaction do not get into each other's way."""

from __future__ import annotations

import asyncio
import signal
import threading
from typing import TYPE_CHECKING, Any, NoReturn

import anyio
import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError, NotSupportedError
from sqlalchemy.orm import Session

from testkit.core.messages import TestkitError
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tests.testkit.isolation.rollback.conftest import RolledBack

NAMES = text("SELECT name FROM shop ORDER BY name")
ONE = text("SELECT 1")
SLEEP = text("SELECT pg_sleep(60)")


def add(connection: Connection | Session, name: str) -> None:
    connection.execute(text("INSERT INTO shop (name) VALUES (:name)"), {"name": name})


def names(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(NAMES).scalars())


# --- savepoints of the application


def test_a_reader_that_ends_leaves_others_their_savepoints(shared: RolledBack) -> None:
    engine = shared.engine()
    reader = engine.connect()
    reader.execute(ONE)
    with Session(engine) as session:
        with session.begin_nested():
            add(session, "kept")
            reader.close()
        session.commit()

    assert names(engine) == ["kept"]
    assert shared.end() == []


def test_savepoints_of_two_connections_may_have_one_name(shared: RolledBack) -> None:
    engine = shared.engine()
    with Session(engine) as one, Session(engine) as other:
        nested = one.begin_nested()
        add(one, "gone")
        other.begin_nested()
        other.execute(ONE)
        nested.rollback()
        add(one, "kept")
        one.commit()
        other.rollback()

    assert names(engine) == ["kept"]
    assert shared.end() == []


def test_what_came_before_a_savepoint_survives_a_failure_behind_it(shared: RolledBack) -> None:
    engine = shared.engine()
    with Session(engine) as one, engine.connect() as other:
        add(one, "first")
        nested = one.begin_nested()
        with pytest.raises(IntegrityError):
            add(one, "first")
        other.execute(ONE)
        nested.rollback()
        add(one, "second")
        one.commit()

    assert names(engine) == ["first", "second"]
    assert shared.end() == []


def test_blocks_of_psycopg_overlap(shared: RolledBack) -> None:
    engine = shared.engine()
    with engine.connect() as one, engine.connect() as other:
        first: Any = one.connection.driver_connection
        second: Any = other.connection.driver_connection
        with first.transaction():
            first.execute("INSERT INTO shop (name) VALUES ('first')")
            with second.transaction(), second.transaction(force_rollback=True):
                second.execute("INSERT INTO shop (name) VALUES ('undone')")

    assert names(engine) == ["first"]
    assert shared.end() == []


def test_engines_that_connect_for_the_first_time_disturb_nobody(shared: RolledBack) -> None:
    engine = shared.engine()
    stop, failed = threading.Event(), []

    def read() -> None:
        try:
            while not stop.is_set():
                names(engine)
        except DBAPIError as error:
            failed.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    for _ in range(20):
        another = create_engine(shared.url())
        names(another)
        another.dispose()
    stop.set()
    thread.join()

    assert failed == []
    assert shared.end() == []


# --- interruptions


def test_a_cancelled_task_takes_nothing_along_however_often(shared: RolledBack) -> None:
    engine, async_engine = shared.engine(), shared.async_engine()
    with engine.begin() as connection:
        add(connection, "kept")

    async def cancelled_once_and_again() -> None:
        with anyio.move_on_after(0.02):
            async with async_engine.connect() as connection:
                await connection.execute(SLEEP)
        task = asyncio.ensure_future(wait_long())
        await asyncio.to_thread(wait_until, lambda: asleep(shared))
        task.cancel()
        await asyncio.wait({task}, timeout=0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def wait_long() -> None:
        async with async_engine.connect() as connection:
            await connection.execute(SLEEP)

    asyncio.run(cancelled_once_and_again())

    assert names(engine) == ["kept"]
    assert shared.end() == []


def test_an_exception_of_a_signal_leaves_nothing_under_way(shared: RolledBack) -> None:
    engine = shared.engine()

    def interrupt(*_: object) -> NoReturn:
        raise TimeoutError

    def alarm() -> None:
        wait_until(lambda: asleep(shared))
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)

    before = signal.signal(signal.SIGALRM, interrupt)
    sender = threading.Thread(target=alarm)
    try:
        with engine.connect() as connection:
            sender.start()
            with pytest.raises(TimeoutError):
                connection.execute(SLEEP)
    finally:
        sender.join()
        signal.signal(signal.SIGALRM, before)
    with engine.begin() as connection:
        add(connection, "after")

    assert names(engine) == ["after"]
    assert shared.end() == []


def asleep(shared: RolledBack) -> bool:
    return bool(
        shared.database.reset.ask(
            "SELECT FROM pg_stat_activity WHERE query ~ '^SELECT pg_sleep' AND state = 'active'"
            " AND datname = current_database()"
        )
    )


# --- a thread that goes on from test to test


@pytest.mark.parametrize("tests", [8, pytest.param(60, marks=pytest.mark.soak)])
def test_a_thread_of_the_application_goes_on_from_test_to_test(
    shared: RolledBack, tests: int
) -> None:
    engine, own = shared.engine(), shared.engine()
    stop = threading.Event()
    errors: list[Exception] = []
    rounds: list[int] = []

    def poll() -> None:
        while not stop.is_set():
            try:
                with own.begin() as connection:
                    add(connection, f"polled {len(rounds)}")
                rounds.append(1)
            except Exception as error:  # noqa: BLE001 - told below
                errors.append(error)

    thread = threading.Thread(target=poll, daemon=True)
    shared.others.append(thread)
    thread.start()
    codes: list[str] = []
    for _ in range(tests):
        assert "mine" not in names(engine)
        with engine.begin() as connection:
            add(connection, "mine")
        assert "mine" in names(engine)
        codes += shared.end()
        shared.begin()
    stop.set()
    thread.join()
    codes += shared.end()

    assert len(rounds) > tests
    assert codes == []
    # One that is at work for longer than 0.2 s is cut off, as it may be on a busy machine.
    assert len(errors) <= 3, errors[:3]
    shared.database.reset.finish("the last test")
    assert shared.names() == []


# --- what belongs to a transaction


def test_settings_of_a_transaction_end_with_it(shared: RolledBack) -> None:
    engine = shared.engine()
    tenant = text("SELECT current_setting('app.tenant', true)")
    with engine.connect() as one, engine.connect() as other:
        one.execute(text("SELECT set_config('app.tenant', :id, true)"), {"id": "7"})
        one.execute(text("SET LOCAL statement_timeout = '7s'"))
        assert one.scalar(tenant) == "7"
        one.commit()
        assert not one.scalar(tenant)
        assert one.scalar(text("SHOW statement_timeout")) == "0"
        one.execute(text("SET LOCAL app.tenant = '8'"))
        other.execute(ONE)
        one.rollback()
        assert not other.scalar(tenant)

    assert shared.end() == []


def test_a_query_that_calls_what_may_write_counts_as_a_write(shared: RolledBack) -> None:
    engine = shared.engine()
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE FUNCTION sell(text) RETURNS text LANGUAGE sql"
                " AS 'INSERT INTO shop (name) VALUES ($1) RETURNING name'"
            )
        )
    with engine.connect() as one, engine.connect() as other:
        one.execute(text("SELECT sell('one')"))
        add(other, "other")
        other.commit()
        one.rollback()

    assert shared.end() == ["TK376"]


def test_constraints_that_the_test_makes_and_drops(shared: RolledBack) -> None:
    engine = shared.engine()
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE item"))
        connection.execute(
            text(
                "CREATE TABLE part (shop int REFERENCES shop DEFERRABLE INITIALLY DEFERRED,"
                " n int UNIQUE DEFERRABLE)"
            )
        )
    with engine.connect() as connection:
        connection.execute(text("INSERT INTO part VALUES (7, 1)"))
        with pytest.raises(IntegrityError, match="part_shop_fkey"):
            connection.commit()

    assert shared.end() == []


def test_a_check_that_was_put_off_is_no_one_else_s(shared: RolledBack) -> None:
    engine = shared.engine()
    with engine.connect() as one, engine.connect() as other:
        add(other, "kept")
        one.execute(text("INSERT INTO item (id, shop) VALUES (1, 7)"))
        one.commit()
        other.commit()

    assert names(engine) == ["kept"]
    with pytest.raises(TestkitError) as caught:
        shared.end()
    assert caught.value.code == "TK371"


def test_a_constraint_trigger_that_raises_at_the_end_is_told_as_one(shared: RolledBack) -> None:
    engine = shared.engine()
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql"
                " AS 'BEGIN RAISE EXCEPTION $$closed$$; END'"
            )
        )
        connection.execute(
            text(
                "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON item DEFERRABLE INITIALLY DEFERRED"
                " FOR EACH ROW EXECUTE FUNCTION refuse()"
            )
        )
    with engine.connect() as one, engine.connect() as other:
        one.execute(text("INSERT INTO item (id) VALUES (1)"))
        add(other, "open")
        one.commit()
        other.rollback()
    with pytest.raises(TestkitError, match="closed") as caught:
        shared.end()

    assert caught.value.code == "TK371"


def test_settings_that_were_committed_by_accident_do_not_stay(shared: RolledBack) -> None:
    engine = shared.engine()
    with engine.connect() as connection:
        connection.exec_driver_sql("SET search_path TO pg_catalog; COMMIT")
    with pytest.raises(TestkitError) as caught:
        shared.end()
    assert caught.value.code == "TK377"
    shared.begin()
    assert names(engine) == []
    assert shared.end() == []


# --- cursors


def test_a_cursor_on_the_server_stays_open_beside_others(shared: RolledBack) -> None:
    engine = shared.engine()
    rows = text("SELECT g FROM generate_series(1, 6) g")
    with engine.connect() as one, engine.connect() as other:
        stream = one.execution_options(stream_results=True, max_row_buffer=2).execute(rows)
        assert stream.fetchmany(2) == [(1,), (2,)]
        with pytest.raises(DBAPIError):
            other.execute(text("SELECT 1 / 0"))
        assert stream.fetchmany(2) == [(3,), (4,)]
        other.rollback()
        add(other, "kept")
        other.commit()
        assert stream.fetchall() == [(5,), (6,)]

    assert names(engine) == ["kept"]


def test_rows_that_are_streamed_belong_to_their_transaction(shared: RolledBack) -> None:
    engine = shared.engine()
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        insert = "INSERT INTO shop (name) VALUES ('gone') RETURNING name"
        assert list(driver.cursor().stream(insert)) == [("gone",)]
        connection.rollback()

    assert names(engine) == []
    assert shared.end() == []


def test_another_statement_inside_a_copy_is_refused(shared: RolledBack) -> None:
    engine = shared.engine()
    with engine.begin() as one, engine.connect() as other:
        cursor: Any = one.connection.cursor()
        with cursor.copy("COPY shop (name) FROM STDIN") as copy:
            copy.write_row(("copied",))
            with pytest.raises(TestkitError) as caught:
                other.execute(ONE)

    assert caught.value.code == "TK378"
    assert "a COPY is under way" in str(caught.value)
    assert names(engine) == ["copied"]


def test_what_a_shared_session_does_not_have_is_refused(shared: RolledBack) -> None:
    engine = shared.engine()
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        with pytest.raises(driver.NotSupportedError, match="TK375"):
            driver.pipeline()
        with pytest.raises(driver.NotSupportedError, match="TK373"):
            driver.notifies()
        assert driver.info.transaction_status.name == "IDLE"
    with Session(engine, twophase=True) as session:
        with pytest.raises(NotSupportedError, match="TK377"):
            add(session, "x")
        session.rollback()

    assert shared.end() == []


def test_what_is_in_order_is_no_warning(shared: RolledBack) -> None:
    engine = shared.engine(pool_pre_ping=True)
    with engine.connect() as one, engine.connect() as other:
        add(one, "undone")
        other.execute(text("EXPLAIN DELETE FROM shop"))
        other.execute(text("SET LOCAL work_mem = '8MB'"))
        one.rollback()
        other.execute(ONE)
    automatic = engine.execution_options(isolation_level="AUTOCOMMIT")
    with automatic.connect() as connection:
        add(connection, "kept")
    with engine.connect().execution_options(isolation_level="READ COMMITTED") as connection:
        connection.execute(NAMES)

    assert names(engine) == ["kept"]
    assert shared.end() == []
