import click
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from cos.cli.database import in_transaction
from cos.cli.outcome import configuration
from cos.models import Module
from cos.services import modules
from cos.services.errors import NameTakenError
from cos.services.modules import NewModule
from cos.settings import DatabaseSettings, Settings
from tests.cos.factories import ModuleFactory


def _registering(name: str, failure: Exception | None = None) -> click.Command:
    @click.command("register")
    def register() -> None:
        async def work(session: AsyncSession) -> Module:
            module = await modules.register(session, NewModule(name, "1"))
            if failure is not None:
                raise failure
            return module

        click.echo(in_transaction(configuration(DatabaseSettings), work).created_at)

    return register


def _done(command: click.Command, **environment: str | None) -> Result:
    return CliRunner().invoke(command, env=environment, prog_name="python -m cos register")


def test_what_a_unit_of_work_does_is_committed_and_returned(db_session: Session) -> None:
    name = str(ModuleFactory.payload()["name"])
    done = _done(_registering(name))
    module = db_session.scalars(select(Module)).one()

    assert (done.exit_code, done.stdout) == (0, f"{module.created_at}\n")


def test_what_the_service_refuses_is_told_and_nothing_is_stored(db_session: Session) -> None:
    name = str(ModuleFactory.payload()["name"])
    done = _done(_registering(name, NameTakenError(name)))

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == f"{NameTakenError(name)}\n"
    assert db_session.scalars(select(Module)).all() == []


def test_a_fault_is_raised_and_nothing_is_stored(db_session: Session) -> None:
    name = str(ModuleFactory.payload()["name"])
    done = _done(_registering(name, RuntimeError()))

    assert isinstance(done.exception, RuntimeError)
    assert db_session.scalars(select(Module)).all() == []


def test_a_database_that_does_not_answer_is_told_with_what_to_run(closed_port: int) -> None:
    url = f"postgresql://u:hunter2@127.0.0.1:{closed_port}/x"
    done = _done(_registering("never"), DATABASE_URL=url)

    assert (done.exit_code, done.stdout) == (3, "")
    assert done.stderr.startswith(f"The database 127.0.0.1:{closed_port}/x was not asked: ")
    assert "Run now: python -m cos register, when the database answers" in done.stderr
    assert "hunter2" not in done.stderr


@pytest.mark.parametrize(
    "statement",
    ["ALTER TABLE modules RENAME TO elsewhere", "ALTER TABLE modules RENAME version TO other"],
)
def test_a_database_that_was_not_migrated_is_told_to_be(
    db_session: Session, statement: str
) -> None:
    db_session.execute(text(statement))
    db_session.commit()
    done = _done(_registering("never"))

    assert (done.exit_code, done.stdout) == (3, "")
    assert "Run now: python -m cos migrate\n" in done.stderr


def test_a_database_that_waits_for_a_lock_is_told(db_session: Session) -> None:
    db_session.execute(text("LOCK TABLE modules"))
    done = _done(_registering("never"), COS_LOCK_TIMEOUT="0.05")
    db_session.rollback()

    assert done.exit_code == 3
    assert "a session holds a lock" in done.stderr


@pytest.mark.parametrize("option", ["default_transaction_read_only=on", "role=pg_monitor"])
def test_a_database_that_takes_no_changes_is_told(settings: Settings, option: str) -> None:
    url = settings.sqlalchemy_url.update_query_dict({"options": f"-c {option}"})
    done = _done(_registering("never"), DATABASE_URL=url.render_as_string(hide_password=False))

    assert (done.exit_code, done.stdout) == (3, "")
    assert "it is a standby, or its role lacks a right" in done.stderr
