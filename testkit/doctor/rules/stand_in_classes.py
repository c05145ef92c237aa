"""TD601: a class of the tests that stands in for a session, a connection or a Redis client."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Rule
from testkit.doctor.static.functions import Function
from testkit.doctor.static.module import Module, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BAD", "GOOD", "RULE", "found"]

RULE: Final = Rule(
    "TD601",
    "A class of the tests stands in for a database or a Redis",
    "warning",
    "It answers what its author expected. Constraints, defaults, types, rollbacks and events of the real one do not happen: SQL that no server takes "
    "passes, and what hangs on a commit never runs. When the code calls one more method, tests fail that found nothing.",
    "Give the tests a real one: testkit's fixtures db_session, async_db_session and redis_client are each test's own, in about a millisecond.",
)
_DOUBLED: Final = re.compile(
    r"^_?(?:Fake|Stub|Dummy|Mock|Mocked|InMemory|Null|Noop|Recording|Test|Async|Broken)*"
    r"(?P<kind>\w*?(?:Session|Connection|Conn|Cursor|Engine|Redis|RedisClient|Database|Db|DB))$"
)
_TOLD: Final = re.compile(r"Fake|Stub|Dummy|Mock|InMemory|Null|Noop|Recording|Broken")
_DATABASE: Final = frozenset(
    (
        *("add", "add_all", "commit", "flush", "rollback", "execute", "scalars", "scalar", "query"),
        *("refresh", "merge", "fetchone", "fetchall", "fetch", "fetchrow", "cursor", "begin"),
    )
)
_REDIS: Final = frozenset(
    (
        *("get", "set", "setex", "delete", "exists", "expire", "ttl", "incr", "publish", "hget"),
        *("hset", "hgetall", "lpush", "rpush", "xadd", "xreadgroup", "pipeline", "sadd", "zadd"),
    )
)
# A session of HTTP has these.
_OF_HTTP: Final = frozenset(("post", "put", "patch", "request", "head", "ws_connect", "call_tool"))
BAD: Final = (
    """
    class FakeSession:  # here
        def __init__(self):
            self.rows = []

        def add(self, row):
            self.rows.append(row)

        def commit(self):
            pass

    class _StubConnection:  # here
        async def execute(self, statement, *values):
            return [(1,)]

        async def fetchrow(self, statement):
            return {"id": 1}

    class InMemoryRedis:  # here
        async def get(self, key):
            return None

        async def set(self, key, value, ex=None):
            pass

        async def publish(self, channel, message):
            return 1
    """,
)
GOOD: Final = (
    """
    from sqlalchemy.orm import Session

    class FakeSession:
        def get(self, url):
            return Answer()

        def post(self, url, json):
            return Answer()

        def commit(self):
            pass

    class CountingSession(Session):
        def commit(self):
            super().commit()

        def add(self, row):
            super().add(row)

    class FakeClock:
        def get(self): ...
        def set(self, now): ...
        def delete(self): ...

    class FakeSessionStore:
        def get(self, key): ...

    class FakeConnection:
        def send(self, data): ...
        def close(self): ...
    """,
)


def found(module: Module) -> Iterator[Place]:
    """Give each class by whose name and methods a driver's object is imitated."""
    if not (module.is_test or "/tests/" in module.path):
        return
    for node in module.nodes:
        if not isinstance(node, ast.ClassDef) or _is_real(module, node):
            continue
        match = _DOUBLED.match(node.name)
        if not match or not _TOLD.search(node.name):
            continue
        methods = {each.name for each in node.body if isinstance(each, Function)}
        wanted = _REDIS if "redis" in match["kind"].lower() else _DATABASE
        least = 3 if wanted is _REDIS else 2
        if len(methods & wanted) >= least and not methods & _OF_HTTP:
            shown = ", ".join(sorted(methods & wanted)[:3])
            yield Place(node, f"{node.name} has its own {shown}")


def _is_real(module: Module, node: ast.ClassDef) -> bool:
    """Return whether a class is made of a driver's own, of which it changes a part."""
    return any(
        module.origin(base).partition(".")[0] in {"sqlalchemy", "redis", "psycopg", "asyncpg"}
        or module.origin(base).rpartition(".")[2] in {"Session", "AsyncSession", "Redis"}
        for base in node.bases
    )
