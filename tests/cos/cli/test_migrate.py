import os
import re

from sqlalchemy import select
from sqlalchemy.orm import Session

from cos.models import Module
from cos.settings import Settings
from tests.cos.commands import run


def test_migrate_makes_the_schema_and_says_where(db_session: Session) -> None:
    db_session.connection().exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    db_session.commit()
    done = run("migrate")
    name = os.environ["DATABASE_URL"].rsplit("/", 1)[1]

    assert done.exit_code == 0
    assert re.fullmatch(rf"The schema of \S+/{name} is at revision \w+\.\n", done.stdout)
    assert db_session.scalars(select(Module)).all() == []


def test_migrate_says_which_database_did_not_answer(closed_port: int) -> None:
    done = run("migrate", DATABASE_URL=f"postgresql://u:hunter2@127.0.0.1:{closed_port}/x")

    assert (done.exit_code, done.stdout) == (3, "")
    assert f"The database 127.0.0.1:{closed_port}/x was not migrated: " in done.stderr
    assert "Run now: python -m cos migrate" in done.stderr
    assert "hunter2" not in done.stderr
    assert "Traceback" not in done.stderr


def test_migrate_refuses_a_schema_that_it_does_not_know(db_session: Session) -> None:
    db_session.connection().exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    db_session.commit()
    done = run("migrate")

    assert (done.exit_code, done.stdout) == (3, "")
    assert "Can't locate revision identified by '9999'" in done.stderr
    assert "Traceback" not in done.stderr


def test_migrate_does_not_wait_for_ever_for_a_lock(db_session: Session) -> None:
    db_session.connection().exec_driver_sql(
        "SELECT pg_advisory_xact_lock(hashtext('cos.migrations'))"
    )
    done = run("migrate", COS_LOCK_TIMEOUT="0.05")
    db_session.rollback()

    assert done.exit_code == 3
    assert "lock timeout" in done.stderr


def test_migrate_says_what_a_role_may_not_do(db_session: Session, settings: Settings) -> None:
    db_session.connection().exec_driver_sql(
        "DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO PUBLIC"
    )
    db_session.commit()
    url = settings.sqlalchemy_url.update_query_dict({"options": "-c role=pg_monitor"})
    done = run("migrate", DATABASE_URL=url.render_as_string(hide_password=False))

    assert (done.exit_code, done.stdout) == (3, "")
    assert "was not migrated: permission denied for schema public" in done.stderr
    assert "Traceback" not in done.stderr


def test_migrate_says_that_tables_are_there_which_it_did_not_make(db_session: Session) -> None:
    db_session.connection().exec_driver_sql("DROP TABLE alembic_version")
    db_session.commit()
    done = run("migrate")

    assert (done.exit_code, done.stdout) == (3, "")
    assert 'was not migrated: relation "modules" already exists' in done.stderr
    assert "made these tables without it" in done.stderr
