"""TD301: an event loop that is started where one runs."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Rule
from testkit.doctor.static.module import Module, Place, inside

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BAD", "GOOD", "RULE", "found"]

RULE: Final = Rule(
    "TD301",
    "An event loop is started within a coroutine",
    "error",
    "A coroutine runs in a loop, and a thread has one at a time: `asyncio.run` and `run_until_complete` raise RuntimeError there, each time that the line is "
    "reached. In a branch that no test reaches it waits for production.",
    "Await the coroutine: `await work()`. What must run in a loop of its own belongs into a thread: await asyncio.to_thread(asyncio.run, work()).",
)
_STARTS: Final = frozenset(("asyncio.run", "anyio.run", "trio.run"))
BAD: Final = (
    """
    import asyncio

    async def test_work():
        asyncio.run(work())  # here

    async def other(loop):
        if loop:
            asyncio.get_event_loop().run_until_complete(work())  # here
    """,
    """
    from asyncio import run
    import anyio

    class Client:
        async def close(self):
            run(self.stop())  # here
            anyio.run(self.stop)  # here
    """,
)
GOOD: Final = (
    """
    import asyncio

    def test_work():
        asyncio.run(work())

    async def main():
        await asyncio.to_thread(asyncio.run, work())
        await asyncio.to_thread(lambda: asyncio.run(work()))

        def in_a_thread():
            asyncio.run(work())

        await asyncio.to_thread(in_a_thread)
        process.run(work())
    """,
)


def found(module: Module) -> Iterator[Place]:
    """Give each call that starts a loop and runs when a coroutine does."""
    for function in module.nodes:
        if not isinstance(function, ast.AsyncFunctionDef):
            continue
        for node in inside(function):
            if isinstance(node, ast.Call) and (name := _start(module, node)):
                yield Place(
                    node, f"{name} within the coroutine {function.name} raises RuntimeError"
                )


def _start(module: Module, call: ast.Call) -> str:
    name = module.origin(call.func)
    if name in _STARTS:
        return name
    function = call.func
    if isinstance(function, ast.Attribute) and function.attr == "run_until_complete":
        value = function.value
        if isinstance(value, ast.Call) and module.origin(value.func) in {
            "asyncio.get_event_loop",
            "asyncio.get_running_loop",
        }:
            return "run_until_complete"
    return ""
