"""Which constraint refused a row."""

from psycopg import Error
from sqlalchemy.exc import IntegrityError

__all__ = ["violated_constraint"]


def violated_constraint(error: IntegrityError) -> str | None:
    """Return the name of the constraint behind ``error``; ``None`` for NOT NULL, which has none."""
    return error.orig.diag.constraint_name if isinstance(error.orig, Error) else None
