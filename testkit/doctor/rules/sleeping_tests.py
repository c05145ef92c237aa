"""TD621: a test that waits for a fixed time."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Rule
from testkit.doctor.static.functions import tests_and_fixtures
from testkit.doctor.static.module import Module, Place, inside

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BAD", "GOOD", "RULE", "found"]

RULE: Final = Rule(
    "TD621",
    "A test sleeps",
    "warning",
    "A fixed wait is too long on every machine but one: the suite pays it each time, and on a busy machine what was waited for is not there yet, so the test fails now and then.",
    "Wait for what must be there, with a limit: poll it, join the thread, await the task. For time itself move the clock: the fixture clock.",
)
_SHORTEST: Final = 0.05
_SLEEPS: Final = frozenset(("time.sleep", "asyncio.sleep", "anyio.sleep", "trio.sleep"))
_LOOPS: Final = (ast.While, ast.For, ast.AsyncFor)
BAD: Final = (
    """
    import asyncio
    import time
    from time import sleep

    def test_a_worker_answers(worker):
        worker.start()
        time.sleep(1)  # here
        assert worker.answered
        sleep(0.2)  # here

    async def test_a_task():
        await asyncio.sleep(0.5)  # here
    """,
)
GOOD: Final = (
    """
    import asyncio
    import time

    def test_it_is_polled(worker):
        deadline = time.monotonic() + 5
        while not worker.answered and time.monotonic() < deadline:
            time.sleep(0.1)
        for _ in range(10):
            time.sleep(0.1)

    async def test_others_run():
        await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        await asyncio.wait_for(asyncio.sleep(10), 0.1)

        async def slow():
            await asyncio.sleep(1)

        task = asyncio.create_task(asyncio.sleep(5))

    def wait():
        time.sleep(1)

    def test_the_clock(clock):
        with clock.freeze("2026-01-01"):
            time.sleep(1)
    """,
)


def found(module: Module) -> Iterator[Place]:
    """Give each fixed wait that a test itself makes, outside of loops that look again."""
    if not module.is_test:
        return
    for function in tests_and_fixtures(module):
        names = {each.arg for each in function.args.args}
        if not function.name.startswith("test") or names & {"clock", "freezer", "time_machine"}:
            continue
        for node in inside(function):
            if isinstance(node, ast.Expr):
                value = node.value.value if isinstance(node.value, ast.Await) else node.value
                seconds = _slept(module, value)
                if seconds >= _SHORTEST and not any(
                    isinstance(above, _LOOPS) for above in module.above(node)
                ):
                    yield Place(node, f"it waits {seconds:g} s, whatever happens")


def _slept(module: Module, node: ast.expr) -> float:
    match node:
        case ast.Call(func=function, args=[ast.Constant(value=int() | float() as seconds)]) if (
            module.origin(function) in _SLEEPS
        ):
            return float(seconds)
    return 0.0
