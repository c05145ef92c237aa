"""What a holder of access may do."""

from enum import StrEnum

__all__ = ["AccessScope"]


class AccessScope(StrEnum):
    """A permission. They are a set: ``write`` alone does not read."""

    READ = "read"
    WRITE = "write"
