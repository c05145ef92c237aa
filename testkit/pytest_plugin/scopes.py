"""What to write where a wider fixture asked for one of ours that belongs to a test."""

from __future__ import annotations

import re
from typing import Final

from testkit.core.messages import TestkitError

__all__ = ["wider_one"]

_OURS: Final = {"db_session", "async_db_session", "redis_client", "async_redis_client"}
# As pytest says it.
_MISMATCH: Final = re.compile(r"the function scoped fixture (\w+) with a (\w+) scoped request")


def wider_one(error: str, nodeid: str) -> list[str]:
    """Return TK347 for pytest's ScopeMismatch over a fixture of ours, nothing for any other."""
    found = _MISMATCH.search(error)
    if found is None or found[1] not in _OURS:
        return []
    return [str(TestkitError("TK347", fixture=found[1], scope=found[2], test=nodeid))]
