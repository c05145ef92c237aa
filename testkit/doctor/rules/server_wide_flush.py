"""TD401: a test that empties a whole Redis."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Rule
from testkit.doctor.static.module import Module, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BAD", "GOOD", "RULE", "found"]

RULE: Final = Rule(
    "TD401",
    "A test empties a whole Redis",
    "warning",
    "FLUSHALL removes every database of the server: those of other xdist workers, of the run beside this one, and of whoever works on the machine. "
    "Tests fail then that did nothing wrong, now and then. In a project with a [tool.testkit] table each worker's Redis is its own, and nothing is found.",
    "Ask for the fixture `redis_client`: its keyspace is emptied behind each test. Without it, delete the keys that the test wrote.",
)
_FLUSH: Final = "flushall"
BAD: Final = (
    """
    import pytest
    import redis

    @pytest.fixture
    def client():
        client = redis.Redis()
        yield client
        client.flushall()  # here

    async def test_it(connection):
        await connection.flushall(asynchronous=True)  # here
    """,
    """
    def test_it(client):
        client.execute_command("FLUSHALL")  # here
    """,
)
GOOD: Final = (
    """
    def test_it(redis_client, cache):
        redis_client.flushall()
        redis_client.flushdb()
        cache.flush()
        redis_client.execute_command("FLUSHALL")
        cache.execute_command("GET", "FLUSHALL")
    """,
)
#: Fixtures of ours: that server belongs to this worker.
_OWN: Final = frozenset(("redis_client", "async_redis_client"))


def found(module: Module) -> Iterator[Place]:
    """Give each FLUSHALL of a test file to anything but a client of testkit."""
    if not module.is_test:
        return
    for call, _ in module.calls():
        function = call.func
        if not isinstance(function, ast.Attribute) or _is_own(function.value):
            continue
        if function.attr == _FLUSH or (
            function.attr == "execute_command" and _names_flush(call.args[:1])
        ):
            yield Place(call, "FLUSHALL removes what others have on this server")


def _is_own(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in _OWN


def _names_flush(arguments: list[ast.expr]) -> bool:
    return any(
        isinstance(one, ast.Constant)
        and isinstance(one.value, str)
        and one.value.lower().split()[:1] == [_FLUSH]
        for one in arguments
    )
