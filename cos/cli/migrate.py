"""``python -m cos migrate``."""

import logging
from pathlib import Path

import click
from alembic import command as alembic
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.util.exc import CommandError

import cos
from cos.cli.database import telling_failures
from cos.cli.outcome import ENVIRONMENT_FAILED, configuration, fail
from cos.db.engine import migration_engine
from cos.settings import DatabaseSettings

__all__ = ["command"]


@click.command()
def command() -> None:
    """Bring the schema of DATABASE_URL up to date; safe to run twice, and twice at once."""
    settings = configuration(DatabaseSettings)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        with telling_failures(settings, "was not migrated"):
            alembic.upgrade(_scripts(), "head")
            with migration_engine(settings).connect() as connection:
                revision = MigrationContext.configure(connection).get_current_revision()
    except CommandError as error:
        fail(
            ENVIRONMENT_FAILED,
            f"The database {settings.database_address} was not migrated: {error}\n"
            "  Usually: a newer version of the service migrated it.\n"
            "  Run now: python -m cos migrate, from that newer version",
        )
    click.echo(f"The schema of {settings.database_address} is at revision {revision}.")


def _scripts() -> Config:
    config = Config()
    scripts = Path(cos.__file__).parent / "migrations"
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
