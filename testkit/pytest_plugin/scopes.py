"""What to write where a wider fixture asked for one of ours that belongs to a test."""

from __future__ import annotations

import re
from typing import Final

from testkit.core.messages import TestkitError

__all__ = ["wider_one"]

_INSTEAD: Final = {
    "db_session": "`database`, and write: with database.session() as session:",
    "async_db_session": "`database`, and write: async with database.async_session() as session:",
    "redis_client": "`redis_server`, and write: with Redis.from_url(redis_server.url) as client:",
    "async_redis_client": "`redis_server`, and open a redis.asyncio.Redis of its url there.",
}
# As pytest says it.
_MISMATCH: Final = re.compile(r"the function scoped fixture (\w+) with a (\w+) scoped request")


def wider_one(error: str, nodeid: str) -> list[str]:
    """Return TK347 for pytest's ScopeMismatch over a fixture of ours, nothing for any other."""
    found = _MISMATCH.search(error)
    if found is None or found[1] not in _INSTEAD:
        return []
    name, scope = found.groups()
    values = {"fixture": name, "scope": scope, "instead": _INSTEAD[name], "test": nodeid}
    return [str(TestkitError("TK347", **values))]
