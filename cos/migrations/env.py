"""Run by Alembic: the migrations against ``DATABASE_URL``, or as a script with ``--sql``."""

from alembic import context
from sqlalchemy import text

from cos.db.engine import migration_engine
from cos.models import Module
from cos.settings import DatabaseSettings, load

METADATA = Module.metadata


def _as_script() -> None:
    context.configure(
        dialect_name="postgresql",
        target_metadata=METADATA,
        literal_binds=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def _on_the_database() -> None:
    engine = migration_engine(load(DatabaseSettings))
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=METADATA,
            compare_server_default=True,
        )
        with context.begin_transaction():
            # Two processes that migrate at once would both find the table of versions empty.
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('cos.migrations'))"))
            context.run_migrations()


if context.is_offline_mode():
    _as_script()
else:
    _on_the_database()
