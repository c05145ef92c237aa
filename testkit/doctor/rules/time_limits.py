"""TD622: an assertion that the machine was fast enough."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Rule
from testkit.doctor.static.functions import Function, tests_and_fixtures
from testkit.doctor.static.module import Module, Place, inside

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BAD", "GOOD", "RULE", "found"]

RULE: Final = Rule(
    "TD622",
    "A test compares measured time with a limit",
    "warning",
    "How long something took says how busy the machine was: the limit that holds on a laptop fails in CI, where the processor is shared, and nobody's code is wrong. "
    "A limit that is wide enough never to fail finds nothing either.",
    "Count what is done instead (database.queries), move the clock (the fixture clock), or make it a benchmark that nothing depends on.",
)
# Longer limits are there to end what hangs.
_MOST: Final = 5.0
_MEASURED: Final = re.compile(r"^(?:elapsed|duration|took|latency|runtime)(?:_\w+)?$|^\w+_elapsed$")
_CLOCKS: Final = frozenset(
    (
        "time.time",
        "time.monotonic",
        "time.perf_counter",
        "time.process_time",
        "timeit.default_timer",
    )
)
BAD: Final = (
    """
    import time
    from app import store

    def test_reading_is_fast():
        elapsed = store.seconds_of("read")
        assert elapsed < 0.05  # here

    async def test_writing():
        begun = time.perf_counter()
        await store.write()
        assert time.perf_counter() - begun <= 0.1, "too slow"  # here

    def test_scanning():
        start = time.time()
        store.scan()
        end = time.time() - start
        assert end < 1  # here
        took_ms = end * 1000
        assert took_ms < 100  # here
    """,
)
GOOD: Final = (
    """
    import time
    from app import store

    def test_it_waits():
        begun = time.monotonic()
        store.wait(0.2)
        elapsed = time.monotonic() - begun
        assert elapsed >= 0.2
        assert elapsed < 30
        assert 0.2 <= elapsed
        assert store.count() < 5
        assert store.duration_of(3) < store.limit
        limit = 3
        assert limit < 5

    def bench():
        elapsed = 1
        assert elapsed < 0.05
    """,
)


def found(module: Module) -> Iterator[Place]:
    """Give each assertion of a test that a measured time is below a few seconds."""
    if not module.is_test:
        return
    for function in tests_and_fixtures(module):
        measured = _measured(module, function)
        for node in inside(function):
            if isinstance(node, ast.Assert) and (limit := _limit(module, node.test, measured)):
                yield Place(node, f"the limit is {limit}, on whatever machine it runs")


def _measured(module: Module, function: Function) -> frozenset[str]:
    """Return the names that get the difference of two readings of a clock."""
    return frozenset(
        target.id
        for node in inside(function)
        if isinstance(node, ast.Assign) and _is_difference(module, node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    )


def _is_difference(module: Module, node: ast.expr) -> bool:
    return (
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Sub)
        and any(
            isinstance(side, ast.Call) and module.origin(side.func) in _CLOCKS
            for side in (node.left, node.right)
        )
    )


def _limit(module: Module, test: ast.expr, measured: frozenset[str]) -> str:
    match test:
        case ast.Compare(
            left=left,
            ops=[ast.Lt() | ast.LtE()],
            comparators=[ast.Constant(value=int() | float() as most)],
        ):
            name = left.id if isinstance(left, ast.Name) else ""
            scale = 1000 if name.endswith("_ms") else 1
            is_time = name in measured or _MEASURED.match(name) or _is_difference(module, left)
            return ast.unparse(test.comparators[0]) if is_time and 0 < most / scale < _MOST else ""
    return ""
