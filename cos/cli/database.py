"""The database for commands: one unit of work, and its failures told to a person."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import click
from sqlalchemy.exc import (
    DBAPIError,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
)
from sqlalchemy.ext.asyncio import AsyncSession

from cos.cli.outcome import ENVIRONMENT_FAILED, NOT_DONE, fail
from cos.db.engine import service_engine
from cos.db.violations import has_tables_already, is_refused, lacks_schema
from cos.services.errors import ServiceError
from cos.settings import DatabaseSettings

__all__ = ["committed", "in_transaction", "telling_failures"]

Answer = TypeVar("Answer")


def in_transaction(
    settings: DatabaseSettings, work: Callable[[AsyncSession], Awaitable[Answer]]
) -> Answer:
    """Return what ``work`` returns, committed; for commands, outside of any event loop.

    Ends the command instead when ``work`` raises a `ServiceError` (exit code 1, its message) or the
    database fails (3, as `telling_failures`); nothing is stored then. Rows that ``work`` returns
    can be read afterwards.
    """
    with telling_failures(settings, "was not asked"):
        try:
            return committed(settings, work)
        except ServiceError as error:
            fail(NOT_DONE, str(error))


def committed(
    settings: DatabaseSettings, work: Callable[[AsyncSession], Awaitable[Answer]]
) -> Answer:
    """Return what ``work`` returns, committed, as `in_transaction`; raise what goes wrong."""

    async def commit() -> Answer:
        engine = service_engine(settings)
        try:
            async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
                return await work(session)
        finally:
            await engine.dispose()

    return asyncio.run(commit())


@contextmanager
def telling_failures(settings: DatabaseSettings, undone: str) -> Iterator[None]:
    """End the command with exit code 3 when the database does not serve it, or has no schema.

    ``undone`` follows the database's address in the message: "was not migrated".
    """
    again = click.get_current_context().command_path
    try:
        yield
    except (ProgrammingError, InternalError) as error:
        if is_refused(error):
            fail(
                ENVIRONMENT_FAILED,
                f"The database {settings.database_address} {undone}: {_words(error)}\n"
                "  Usually: it is a standby, or its role lacks a right.\n"
                f"  Run now: {again}, with a DATABASE_URL that may do so",
            )
        if has_tables_already(error):
            fail(
                ENVIRONMENT_FAILED,
                f"The database {settings.database_address} {undone}: {_words(error)}\n"
                "  Usually: something made these tables without it, or the table alembic_version"
                " was lost.\n"
                f"  Run now: {again}, with an empty database; or restore that table",
            )
        # A statement of ours that is wrong is a fault and stays one.
        if not lacks_schema(error):
            raise
        fail(
            ENVIRONMENT_FAILED,
            f"The database {settings.database_address} {undone}: its schema is missing or older"
            " than this version of the service.\n"
            "  Usually: the service was updated, or the database is new, and nobody migrated it.\n"
            "  Run now: python -m cos migrate",
        )
    except (OperationalError, InterfaceError) as error:
        fail(
            ENVIRONMENT_FAILED,
            f"The database {settings.database_address} {undone}: {error.orig}\n"
            "  Usually: it is not running, the password is wrong, or a session holds a lock.\n"
            f"  Run now: {again}, when the database answers",
        )


def _words(error: DBAPIError) -> str:
    """Return what the server said, without the lines that show the statement."""
    return str(error.orig).partition("\n")[0]
