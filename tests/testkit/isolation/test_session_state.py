"""No session state of one test is handed out to the next one, by any pool of any driver."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import (
    AssertionPool,
    AsyncAdaptedQueuePool,
    NullPool,
    Pool,
    QueuePool,
    SingletonThreadPool,
    StaticPool,
)

from testkit.core.current import Periods
from testkit.isolation.pools import PoolWatch
from tests.support.journalled import Journalled, journalled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.servers.postgres import PostgresServer

DRIVERS: Final = ["psycopg", "psycopg2", "psycopg async", "asyncpg"]
#: What a test may leave in its session, and what another one would see of it.
LEFT: Final = {
    "a setting": ("SET work_mem = '77MB'", "SHOW work_mem", "4MB"),
    "a list of schemas": ("SET search_path = pg_catalog", "SHOW search_path", '"$user", public'),
    "a setting of the application": (
        "SELECT set_config('shop.tenant', 'ada', false)",
        "SELECT coalesce(current_setting('shop.tenant', true), '')",
        "",
    ),
    "a read-only session": (
        "SET default_transaction_read_only = on",
        "SHOW transaction_read_only",
        "off",
    ),
    "a role": ("SET ROLE pg_monitor", "SELECT current_user::text", "postgres"),
    "a session authorization": (
        "SET SESSION AUTHORIZATION pg_monitor",
        "SELECT session_user::text",
        "postgres",
    ),
    "a listener": ("LISTEN news", "SELECT count(*) FROM pg_listening_channels()", 0),
    "a temporary table": (
        "CREATE TEMPORARY TABLE people AS SELECT 1",
        "SELECT to_regclass('people')::text",
        None,
    ),
    "a temporary function": (
        "CREATE FUNCTION pg_temp.one() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "SELECT count(*) FROM pg_proc WHERE pronamespace = pg_my_temp_schema()",
        0,
    ),
    "an advisory lock": (
        "SELECT pg_advisory_lock(42)",
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
        0,
    ),
    "a cursor": (
        "DECLARE names CURSOR WITH HOLD FOR SELECT 1",
        "SELECT count(*) FROM pg_cursors WHERE name = 'names'",
        0,
    ),
    "a prepared statement": (
        "PREPARE six AS SELECT 6",
        "SELECT count(*) FROM pg_prepared_statements WHERE name = 'six'",
        0,
    ),
}
PID: Final = "SELECT pg_backend_pid()"
PLAIN: Final = ("a setting", "an advisory lock", "a role")


class Application:
    """What a test does with the engine of an application, on any driver.

    ``listeners`` are put on the engine before its first connection.
    """

    def __init__(self, url: str, driver: str, **options: Any) -> None:
        self.runner = asyncio.Runner()
        name = driver.removesuffix(" async")
        address = sa.make_url(url).set(drivername=f"postgresql+{name}")
        self.asynchronous = driver in {"psycopg async", "asyncpg"}
        if self.asynchronous:
            self.later = create_async_engine(address, **options)
            self.engine = self.later.sync_engine
        else:
            self.engine = sa.create_engine(address, **options)

    def do(self, *statements: str) -> Any:
        """Commit these statements on one connection and return the last one's first value."""
        if self.asynchronous:
            return self.runner.run(self._do(statements))
        with self.engine.begin() as connection:
            return _run(connection, statements)

    async def _do(self, statements: tuple[str, ...]) -> Any:
        async with self.later.begin() as connection:
            return await connection.run_sync(_run, statements)

    def close(self) -> None:
        if self.asynchronous:
            self.runner.run(self.later.dispose())
        self.engine.dispose()
        self.runner.close()


def _run(connection: sa.Connection, statements: tuple[str, ...]) -> Any:
    result = [connection.execute(sa.text(each)) for each in statements][-1]
    return result.scalar() if result.returns_rows else None


@pytest.fixture
def periods(postgres_server: PostgresServer) -> Iterator[Periods]:
    """What tells one test from the next, with a watch that follows it."""
    periods = Periods()
    watch = PoolWatch(postgres_server.port, periods)
    watch.start()
    yield periods
    watch.stop()


@pytest.fixture(scope="module")
def database(postgres_server: PostgresServer) -> Iterator[Journalled]:
    with journalled(postgres_server, "CREATE SEQUENCE tens CACHE 10") as database:
        yield database


@contextlib.contextmanager
def application(database: Journalled, driver: str, **options: Any) -> Iterator[Application]:
    made = Application(database.server.address(database.name).url(), driver, **options)
    try:
        yield made
    finally:
        made.close()


def at_connect(application: Application, *statements: str) -> None:
    """Let the application run these statements on each new connection."""

    def prepare(connection: Any, _entry: object) -> None:
        with contextlib.closing(connection.cursor()) as cursor:
            for statement in statements:
                cursor.execute(statement)
        connection.commit()

    sa.event.listen(application.engine, "connect", prepare)


def outlive(application: Application, periods: Periods) -> None:
    """Let the pool be one that has been used in two tests: from now on its sessions are put back."""
    application.do("SELECT 1")
    periods.turn()
    application.do("SELECT 1")


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("left", LEFT)
def test_what_a_test_left_in_its_session_is_gone_in_the_next(
    periods: Periods, database: Journalled, driver: str, left: str
) -> None:
    leave, look, expected = LEFT[left]
    with application(database, driver, pool_size=1) as app:
        outlive(app, periods)
        before = app.do(look)
        app.do(leave)
        meanwhile = app.do(look)
        periods.turn()

        assert before == expected
        assert meanwhile != expected
        assert app.do(look) == expected


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_first_connection_that_outlives_its_test_is_exchanged_and_the_next_one_kept(
    periods: Periods, database: Journalled, driver: str
) -> None:
    with application(database, driver, pool_size=1) as app:
        app.do("SET work_mem = '5MB'")
        first = app.do(PID)
        periods.turn()
        second = app.do("SHOW work_mem"), app.do(PID)
        periods.turn()

        assert second[0] == "4MB"
        assert first != second[1]
        assert app.do(PID) == second[1]


@pytest.mark.parametrize("driver", DRIVERS)
def test_settings_roles_and_locks_cost_no_connection(
    periods: Periods, database: Journalled, driver: str
) -> None:
    with application(database, driver, pool_size=1) as app:
        outlive(app, periods)
        before = app.do(*(LEFT[left][0] for left in PLAIN), PID)
        periods.turn()

        assert app.do(PID) == before


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_temporary_table_that_is_gone_by_itself_costs_no_connection(
    periods: Periods, database: Journalled, driver: str
) -> None:
    with application(database, driver, pool_size=1) as app:
        outlive(app, periods)
        pids = set()
        for _ in range(8):
            app.do("CREATE TEMPORARY TABLE cart (item text) ON COMMIT DROP")
            periods.turn()
            pids.add(app.do(PID))

        assert len(pids) == 1


@pytest.mark.slow
def test_a_role_without_superuser_has_its_sessions_put_back_too(
    periods: Periods, owner_server: PostgresServer
) -> None:
    with (
        journalled(owner_server) as database,
        application(database, "psycopg", pool_size=1) as app,
    ):
        at_connect(app, "SET search_path = app", "SET shop.tenant = 'ada'")
        outlive(app, periods)
        look = "SELECT current_setting('search_path') || current_setting('shop.tenant')"
        before = app.do(PID), app.do(look)
        app.do("SET search_path = test", "SET shop.tenant = 'bob'", "SELECT pg_advisory_lock(1)")
        periods.turn()

        assert (app.do(PID), app.do(look)) == before == (before[0], "appada")


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("option", ["", "-c work_mem=5MB -c role=pg_monitor"])
def test_what_the_application_set_at_connect_stays(
    periods: Periods, database: Journalled, driver: str, option: str
) -> None:
    look = "SELECT current_user || current_setting('work_mem') || current_setting('search_path')"
    options: dict[str, Any] = {"pool_size": 1}
    if driver == "asyncpg":
        pairs = dict(pair.removeprefix("-c ").split("=") for pair in option.split(" -c ") if pair)
        options["connect_args"] = {"server_settings": pairs}
    else:
        options["connect_args"] = {"options": option}
    with application(database, driver, **options) as app:
        at_connect(app, 'SET search_path = pg_temp, "a \' b\\c", pg_catalog')
        if not option:
            at_connect(app, "SET SESSION AUTHORIZATION pg_monitor", "SET work_mem = '5MB'")
        outlive(app, periods)
        before = app.do(PID), app.do(look)
        app.do("SET work_mem = '77MB'", "RESET search_path", "RESET SESSION AUTHORIZATION")
        app.do("SET ROLE pg_read_all_data")
        meanwhile = app.do(look)
        periods.turn()

        assert meanwhile == 'pg_read_all_data77MB"$user", public'
        assert (app.do(PID), app.do(look)) == before


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(
    "statement",
    [
        "SET shop.tenant = 'ada'",
        "SELECT set_config('shop.tenant', 'ada', false)",
        """SET SESSION "shop"."tenant" TO ada""",
    ],
)
def test_a_setting_of_the_application_s_own_that_it_made_at_connect_stays(
    periods: Periods, database: Journalled, driver: str, statement: str
) -> None:
    look = "SELECT current_setting('shop.tenant')"
    with application(database, driver, pool_size=1) as app:
        at_connect(app, statement)
        outlive(app, periods)
        before = app.do(PID), app.do(look)
        app.do("SET shop.tenant = 'bob'")
        periods.turn()

        assert (app.do(PID), app.do(look)) == before == (before[0], "ada")


@pytest.mark.parametrize("driver", ["psycopg async", "asyncpg"])
def test_what_was_set_at_connect_by_the_asynchronous_driver_itself_stays(
    periods: Periods, database: Journalled, driver: str
) -> None:
    def prepare(connection: Any, _entry: object) -> None:
        connection.run_async(lambda driver: driver.execute("SET shop.tenant = 'ada'"))
        if driver == "psycopg async":
            connection.commit()

    with application(database, driver, pool_size=1) as app:
        sa.event.listen(app.engine, "connect", prepare)
        outlive(app, periods)
        app.do("SET shop.tenant = 'bob'")
        periods.turn()

        assert app.do("SELECT current_setting('shop.tenant')") == "ada"


def test_a_name_in_an_object_or_in_a_parameter_is_heard(
    periods: Periods, database: Journalled
) -> None:
    def prepare(connection: psycopg.Connection, _entry: object) -> None:
        name = sql.Identifier("shop", "tenant")
        connection.execute(sql.SQL("SET {} = 'ada'").format(name))
        connection.execute("SELECT set_config(%s, 'lamp', false)", ("shop.item",))
        connection.commit()

    look = "SELECT current_setting('shop.tenant') || current_setting('shop.item')"
    with application(database, "psycopg", pool_size=1) as app:
        sa.event.listen(app.engine, "connect", prepare)
        outlive(app, periods)
        app.do("SET shop.tenant = 'bob'", "SET shop.item = 'chair'")
        periods.turn()

        assert app.do(look) == "adalamp"


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_the_application_gets_the_cursors_that_it_asked_for(
    periods: Periods, database: Journalled, driver: str
) -> None:
    with application(database, driver, pool_size=1) as app:
        raw = app.engine.raw_connection()
        kind = type(raw.cursor())
        raw.close()

        assert kind.__module__ in {"psycopg", "psycopg2.extensions"}


@pytest.mark.parametrize("driver", DRIVERS)
def test_where_more_than_settings_was_made_at_connect_each_test_gets_a_new_connection(
    periods: Periods, database: Journalled, driver: str
) -> None:
    with application(database, driver, pool_size=1) as app:
        at_connect(app, "CREATE TEMPORARY TABLE cart (item text)", "SELECT pg_advisory_lock(7)")
        outlive(app, periods)
        app.do("INSERT INTO cart VALUES ('lamp')")
        periods.turn()

        assert app.do("SELECT count(*) FROM cart") == 0
        assert app.do(LEFT["an advisory lock"][1]) == 1


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_session_does_not_go_on_with_numbers_that_it_had_cached(
    periods: Periods, database: Journalled, driver: str
) -> None:
    with application(database, driver, pool_size=1) as app:
        outlive(app, periods)
        app.do("SELECT nextval('tens')", "SELECT setval('tens', 1, false)")
        app.do("SELECT nextval('tens')")
        app.do("SELECT setval('tens', 1, false)")
        periods.turn()
        with database.connect() as other:
            other.execute("SELECT setval('tens', 1, false)")

        assert app.do("SELECT nextval('tens')") == 1


@pytest.mark.parametrize("driver", DRIVERS)
def test_statements_that_the_driver_prepared_go_on_working(
    periods: Periods, database: Journalled, driver: str
) -> None:
    with application(database, driver, pool_size=1) as app:
        for _ in range(20):  # psycopg prepares at the sixth
            answers = [app.do("SELECT 6 * 7") for _ in range(3)]
            app.do("SET work_mem = '77MB'")
            periods.turn()

            assert answers == [42, 42, 42]


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_putting_back_leaves_no_prepared_statement_and_no_transaction(
    periods: Periods, database: Journalled, driver: str
) -> None:
    look = (
        "SELECT count(*) FROM pg_prepared_statements"
        " WHERE statement LIKE '%pg_my_temp_schema%' AND statement NOT LIKE '%count%'"
    )
    with application(database, driver, pool_size=1, pool_reset_on_return=None) as app:
        for _ in range(8):
            app.do("SELECT 1")
            periods.turn()
        with database.connect() as other:
            states = other.execute(
                "SELECT state FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND application_name NOT LIKE 'testkit%'"
                " AND query NOT LIKE '%pg_testkit%'"
            ).fetchall()

        assert ("idle in transaction",) not in states
        assert app.do(look) == 0


POOLS: Final = [
    *(
        (driver, pool)
        for driver in ("psycopg", "psycopg2")
        for pool in (QueuePool, NullPool, StaticPool, AssertionPool, SingletonThreadPool)
    ),
    *(
        (driver, pool)
        for driver in ("psycopg async", "asyncpg")
        for pool in (AsyncAdaptedQueuePool, NullPool, StaticPool)
    ),
]


@pytest.mark.parametrize(("driver", "pool"), POOLS)
@pytest.mark.parametrize("left", ["a setting", "a listener"])
def test_every_kind_of_pool_is_followed(
    periods: Periods, database: Journalled, driver: str, pool: type[Pool], left: str
) -> None:
    leave, look, expected = LEFT[left]
    with application(database, driver, poolclass=pool) as app:
        seen = []
        for _ in range(3):
            seen.append(app.do(look))
            app.do(leave)
            periods.turn()

        assert seen == [expected] * 3


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_connection_that_the_server_ended_is_exchanged(
    periods: Periods, database: Journalled, driver: str
) -> None:
    with application(database, driver, pool_size=1) as app:
        outlive(app, periods)
        before = app.do(PID)
        with database.connect() as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", (before,))
        periods.turn()

        assert app.do(PID) != before


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_transaction_that_a_pool_keeps_open_ends_with_the_test(
    periods: Periods, database: Journalled, driver: str
) -> None:
    with application(database, driver, pool_size=1, pool_reset_on_return=None) as app:
        outlive(app, periods)

        def begin(connection: Any, _entry: object, _proxy: object) -> None:
            with contextlib.closing(connection.cursor()) as cursor:
                cursor.execute("SELECT set_config('shop.open', 'yes', true)")

        sa.event.listen(app.engine, "checkout", begin)
        with contextlib.ExitStack() as stack:
            stack.callback(sa.event.remove, app.engine, "checkout", begin)
            if app.asynchronous:
                app.runner.run(_touch(app))
            else:
                app.engine.raw_connection().close()
        periods.turn()

        assert not app.do("SELECT current_setting('shop.open', true)")


async def _touch(app: Application) -> None:
    connection = await app.later.connect()
    await connection.close()
