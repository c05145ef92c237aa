"""What the database said no to."""

from psycopg import Error
from psycopg.errors import (
    DuplicateTable,
    InsufficientPrivilege,
    ReadOnlySqlTransaction,
    UndefinedColumn,
    UndefinedTable,
)
from sqlalchemy.exc import DBAPIError, IntegrityError

__all__ = ["has_tables_already", "is_refused", "lacks_schema", "violated_constraint"]


def lacks_schema(error: DBAPIError) -> bool:
    """Tell whether ``error`` is about a table or column that migrations make."""
    return isinstance(error.orig, UndefinedColumn | UndefinedTable)


def has_tables_already(error: DBAPIError) -> bool:
    """Tell whether ``error`` says that a table to be made is there."""
    return isinstance(error.orig, DuplicateTable)


def is_refused(error: DBAPIError) -> bool:
    """Tell whether the server takes no changes, as a standby, or the role lacks a right."""
    return isinstance(error.orig, ReadOnlySqlTransaction | InsufficientPrivilege)


def violated_constraint(error: IntegrityError) -> str | None:
    """Return the name of the constraint behind ``error``; ``None`` for NOT NULL, which has none."""
    return error.orig.diag.constraint_name if isinstance(error.orig, Error) else None
