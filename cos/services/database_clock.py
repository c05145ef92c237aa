"""The clock of all services: the database's, so that any number of processes have one time."""

from datetime import datetime

from sqlalchemy import ColumnElement, DateTime, func, literal

__all__ = ["database_clock"]


def database_clock(now: datetime | None) -> ColumnElement[datetime]:
    """Return the time of the transaction, or ``now`` where the caller travels in time."""
    return func.now() if now is None else literal(now, DateTime(timezone=True))
