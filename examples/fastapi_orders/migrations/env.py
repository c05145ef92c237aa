"""Runs the migrations on the database that the application's settings name."""

from alembic import context
from sqlalchemy import create_engine, pool

from app import settings
from app.models import Base


def run() -> None:
    engine = create_engine(settings.DATABASE_URL, poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=Base.metadata)
        with context.begin_transaction():
            context.run_migrations()


run()
