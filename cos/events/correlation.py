"""The name under which everything that one request causes can be found again."""

from contextvars import ContextVar
from typing import Final

__all__ = ["correlate", "correlation_id"]

NONE: Final = "-"

_current: ContextVar[str] = ContextVar("cos_correlation_id", default=NONE)


def correlation_id() -> str:
    """Return the id of what is being done in this task; ``-`` where nothing gave it one."""
    return _current.get()


def correlate(name: str) -> None:
    """Give what this task does from here on, and the tasks that it starts, the id ``name``."""
    _current.set(name)
