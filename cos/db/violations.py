"""What the database said no to."""

from psycopg import Error
from psycopg.errors import UndefinedColumn, UndefinedTable
from sqlalchemy.exc import IntegrityError, ProgrammingError

__all__ = ["lacks_schema", "violated_constraint"]


def lacks_schema(error: ProgrammingError) -> bool:
    """Tell whether ``error`` is about a table or column that migrations make."""
    return isinstance(error.orig, UndefinedColumn | UndefinedTable)


def violated_constraint(error: IntegrityError) -> str | None:
    """Return the name of the constraint behind ``error``; ``None`` for NOT NULL, which has none."""
    return error.orig.diag.constraint_name if isinstance(error.orig, Error) else None
