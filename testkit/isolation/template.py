"""The journal in a database: put into a template, kept up when fixtures change the schema."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, TypeVar

import psycopg
from psycopg.rows import class_row

from testkit.core.messages import TestkitError
from testkit.isolation.journal import FILES, Journal
from testkit.isolation.tables import (
    SEQUENCES_QUERY,
    TABLES_QUERY,
    VIEWS_QUERY,
    SequenceName,
    TableFacts,
    ViewName,
)

if TYPE_CHECKING:
    from testkit.isolation.sessions import Connection

__all__ = ["JournalTemplate", "journal_of", "track"]

Facts = TypeVar("Facts")


class JournalTemplate:
    """Installs the journal into a template; its SQL is part of the template's key."""

    def __init__(self) -> None:
        # What is installed depends on tables and server; what generates it decides all of that.
        package = files(__package__)
        self.text = "".join(package.joinpath(name).read_text("utf-8") for name in FILES)

    def install(self, connection: Connection) -> None:
        """Create the journal and put every table under watch.

        Raises TK112 where the role is no superuser and does not own what there is.
        """
        journal = journal_of(connection)
        if journal.superuser:
            connection.execute("SET session_replication_role = replica")
        try:
            connection.execute(journal.install_script().encode())
            track(connection, journal)
            connection.execute(journal.sql("SELECT pg_testkit.settle_sequences()").encode())
        except psycopg.errors.InsufficientPrivilege as error:
            raise TestkitError(
                "TK112", role=connection.info.user, reason=error.diag.message_primary
            ) from error


def journal_of(connection: Connection) -> Journal:
    """Return the journal that the role of a connection can have."""
    superuser = connection.info.parameter_status("is_superuser") == "on"
    return Journal(superuser, connection.info.server_version)


def track(connection: Connection, journal: Journal) -> None:
    """Put what is new or has changed under watch; sequences are neither claimed nor settled."""
    script = journal.track_script(
        _rows(connection, TableFacts, journal.sql(TABLES_QUERY)),
        _rows(connection, SequenceName, journal.sql(SEQUENCES_QUERY)),
        _rows(connection, ViewName, journal.sql(VIEWS_QUERY)),
    )
    connection.execute(script.encode())


def _rows(connection: Connection, kind: type[Facts], query: str) -> list[Facts]:
    with connection.cursor(row_factory=class_row(kind)) as cursor:
        return cursor.execute(query.encode()).fetchall()
