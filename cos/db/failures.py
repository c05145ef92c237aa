"""What a failed call says, for a line of the log."""

from sqlalchemy.exc import DBAPIError

__all__ = ["reason"]


def reason(error: Exception) -> str:
    """Return the kind of the driver's error and its words, in one line: no SQL, no parameters."""
    driven = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    words = " ".join(str(driven).split())
    return f"{type(driven).__name__}: {words}" if words else type(driven).__name__
