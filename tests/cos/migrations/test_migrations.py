"""The migrations, on this test's own database and as a script."""

import contextlib
import io
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.orm import Session

from cos.db.engine import migration_engine
from cos.models import HealthState, Module
from cos.settings import Settings, SettingsError
from tests.cos.factories import HealthStatusFactory

ROOT = Path(__file__).parents[3]
TABLES = {
    "alembic_version",
    "api_tokens",
    "board_sessions",
    "dead_letters",
    "event_partitions",
    "events",
    "health_records",
    "health_statuses",
    "modules",
    "subscription_groups",
    "subscriptions",
}
# Everything that a migration may leave behind, by kind and name.
OBJECTS = """
    SELECT c.relkind::text || ' ' || c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'type ' || t.typname FROM pg_type t
    WHERE t.typnamespace = 'public'::regnamespace AND t.typtype IN ('d', 'e', 'r')
    UNION ALL
    SELECT 'constraint ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'options ' || relname || ' ' || reloptions::text FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND reloptions IS NOT NULL
    UNION ALL
    SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'column ' || attrelid::regclass || ' ' || attname || ' ' || format_type(atttypid, atttypmod)
        || ' ' || attnotnull || ' ' || coalesce(pg_get_expr(adbin, adrelid), '')
    FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attnum > 0 AND NOT attisdropped
        AND attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
    ORDER BY 1
"""


@pytest.fixture
def alembic() -> Config:
    return Config(ROOT / "alembic.ini")


@pytest.fixture
def engine(settings: Settings) -> Engine:
    return migration_engine(settings)


def _objects(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(text(OBJECTS)))


def _tables(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names())


def _script(alembic: Config, direction: str) -> str:
    """Return the SQL of ``upgrade`` or ``downgrade``, whole."""
    written = io.StringIO()
    with contextlib.redirect_stdout(written):
        if direction == "upgrade":
            command.upgrade(alembic, "head", sql=True)
        else:
            command.downgrade(alembic, "head:base", sql=True)
    return written.getvalue()


def _execute(connection: Connection, script: str) -> None:
    driver = connection.connection.driver_connection
    assert driver is not None
    # Without parameters the driver sends the whole script at once, with its own BEGIN and COMMIT.
    driver.autocommit = True
    driver.execute(script)


def test_there_is_one_head(alembic: Config) -> None:
    assert len(ScriptDirectory.from_config(alembic).get_heads()) == 1


def test_every_migration_says_what_it_does_and_can_be_undone(alembic: Config) -> None:
    for revision in ScriptDirectory.from_config(alembic).walk_revisions():
        assert revision.doc
        assert hasattr(revision.module, "downgrade")


def test_the_database_is_at_the_head(alembic: Config, engine: Engine) -> None:
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_heads()

    assert current == tuple(ScriptDirectory.from_config(alembic).get_heads())


def test_models_and_migrations_agree(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        differences = compare_metadata(context, Module.metadata)

    assert differences == []


def test_what_the_migrations_make_is_what_the_models_would_make(
    alembic: Config, engine: Engine
) -> None:
    migrated = _objects(engine)
    command.downgrade(alembic, "base")
    Module.metadata.create_all(engine)
    made = _objects(engine)

    assert [found for found in migrated if "alembic_version" not in found] == [
        found for found in made if "alembic_version" not in found
    ]


def test_a_difference_between_models_and_migrations_would_be_found(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("ALTER TABLE modules ALTER version TYPE varchar(51)"))
        connection.execute(text("ALTER TABLE modules ALTER created_at DROP DEFAULT"))
        connection.execute(text("DROP INDEX ix_modules_created_at_id"))
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        differences = compare_metadata(context, Module.metadata)

    assert len(differences) == 3


def test_a_downgrade_leaves_nothing_behind(alembic: Config, engine: Engine) -> None:
    command.downgrade(alembic, "base")

    assert {found.split()[1] for found in _objects(engine) if found[0] != "c"} == {
        "alembic_version",
        "alembic_version_pkc",
    }


def test_down_and_up_again_is_what_it_was(alembic: Config, engine: Engine) -> None:
    before = _objects(engine)
    command.downgrade(alembic, "base")
    command.upgrade(alembic, "head")

    assert _objects(engine) == before


def test_an_upgrade_at_the_head_keeps_the_rows(alembic: Config, db_session: Session) -> None:
    status = HealthStatusFactory.create(healthy=True)
    command.upgrade(alembic, "head")
    db_session.refresh(status)

    assert status.status is HealthState.HEALTHY


def test_the_scripts_do_what_the_migrations_do(alembic: Config, engine: Engine) -> None:
    before = _objects(engine)
    with engine.connect() as connection:
        _execute(connection, _script(alembic, "downgrade"))
    between = _tables(engine)
    with engine.connect() as connection:
        connection.execute(text("DROP TABLE IF EXISTS alembic_version"))
        connection.commit()
        _execute(connection, _script(alembic, "upgrade"))

    assert between.isdisjoint(TABLES - {"alembic_version"})
    assert _objects(engine) == before


def test_a_script_needs_no_database(alembic: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL")

    assert "CREATE TABLE modules" in _script(alembic, "upgrade")


def test_a_migration_without_an_address_says_what_to_set(
    alembic: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL")

    with pytest.raises(SettingsError, match="DATABASE_URL is not set"):
        command.upgrade(alembic, "head")


def test_a_migration_leaves_the_loggers_of_the_process_alone(alembic: Config) -> None:
    logger = logging.getLogger("somebody.elses")
    command.upgrade(alembic, "head")

    assert not logger.disabled


@pytest.mark.slow
def test_processes_that_migrate_at_once_all_succeed_wherever_they_start(
    alembic: Config, engine: Engine, tmp_path: Path
) -> None:
    command.downgrade(alembic, "base")
    with engine.connect() as connection:
        connection.execute(text("DROP TABLE alembic_version"))
        connection.commit()
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "cos", "migrate"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    outcomes = [(process.communicate(timeout=60)[1], process.returncode) for process in running]
    ran = sum("Running upgrade" in stderr for stderr, _ in outcomes)

    assert ([code for _, code in outcomes], ran) == ([0, 0], 1)
    assert _tables(engine) == TABLES


def test_a_deleted_module_is_found_by_the_index_of_its_health(engine: Engine) -> None:
    indexes = inspect(engine).get_indexes("health_statuses")

    assert [(index["column_names"], index["unique"]) for index in indexes] == [
        (["module_id"], True)
    ]


@pytest.mark.parametrize(
    "condition", ["", "WHERE active", "WHERE NOT active", "WHERE state = 'offline'"]
)
def test_a_page_is_read_from_an_index(engine: Engine, condition: str) -> None:
    with engine.connect() as connection:
        # Of an empty table anything else would be as cheap.
        connection.execute(text("SET enable_seqscan = off"))
        connection.execute(text("SET enable_bitmapscan = off"))
        connection.execute(text("SET enable_sort = off"))
        plan = connection.scalars(
            text(f"EXPLAIN SELECT * FROM modules {condition} ORDER BY created_at, id LIMIT 51")
        )
        lines = "\n".join(plan)

    assert "Index Scan using ix_modules" in lines
    assert "Sort" not in lines
