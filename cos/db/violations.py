"""What the database said no to."""

from psycopg import Error
from psycopg.errors import ReadOnlySqlTransaction, UndefinedColumn, UndefinedTable
from sqlalchemy.exc import DBAPIError, IntegrityError

__all__ = ["lacks_schema", "only_reads", "violated_constraint"]


def lacks_schema(error: DBAPIError) -> bool:
    """Tell whether ``error`` is about a table or column that migrations make."""
    return isinstance(error.orig, UndefinedColumn | UndefinedTable)


def only_reads(error: DBAPIError) -> bool:
    """Tell whether ``error`` says that the server takes no changes, as a standby does."""
    return isinstance(error.orig, ReadOnlySqlTransaction)


def violated_constraint(error: IntegrityError) -> str | None:
    """Return the name of the constraint behind ``error``; ``None`` for NOT NULL, which has none."""
    return error.orig.diag.constraint_name if isinstance(error.orig, Error) else None
