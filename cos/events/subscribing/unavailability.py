"""Whether an exception says something about the database instead of an event."""

from collections.abc import Iterator
from typing import Final

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

__all__ = ["is_lock_timeout", "tells_of_the_database"]

# Postgres ends a transaction that was idle for too long: the handler's doing.
IDLE_TOO_LONG: Final = "25P03"
LOCK_NOT_AVAILABLE: Final = "55P03"


def tells_of_the_database(error: BaseException, *, handling: bool) -> bool:
    """Return whether ``error`` means that the database could not be used.

    Before the handler was called (``handling`` is False) every failure of the database does, such
    as a lock that another process holds; afterwards only a connection that was lost.
    """
    if not handling:
        return isinstance(error, SQLAlchemyError | OSError)
    return any(
        isinstance(link, DBAPIError)
        and link.connection_invalidated
        and _state(link) != IDLE_TOO_LONG
        for link in _chain(error)
    )


def is_lock_timeout(error: BaseException) -> bool:
    """Return whether a lock was not to be had within ``lock_timeout``."""
    return isinstance(error, DBAPIError) and _state(error) == LOCK_NOT_AVAILABLE


def _state(error: DBAPIError) -> object:
    return getattr(error.orig, "sqlstate", None)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__
