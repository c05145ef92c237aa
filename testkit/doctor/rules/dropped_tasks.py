"""TD304: a task that nobody keeps."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final, TypeGuard

from testkit.doctor.finding import Rule
from testkit.doctor.static.module import Module, Place, inside

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BAD", "GOOD", "RULE", "found"]

RULE: Final = Rule(
    "TD304",
    "A task is started and dropped",
    "warning",
    "A loop holds its tasks weakly: one that nobody else holds can be collected before it is done, and is never finished then. Its error is told late or nowhere, and a test ends "
    "before it has done anything: the next test meets what it writes.",
    "Keep it until it is done (tasks.add(task); task.add_done_callback(tasks.discard)), or start it in an asyncio.TaskGroup, which waits for it.",
)
_STARTS: Final = frozenset(("asyncio.create_task", "asyncio.ensure_future"))
_LOOPS: Final = frozenset(("asyncio.get_running_loop", "asyncio.get_event_loop"))
_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
BAD: Final = (
    """
    import asyncio
    from asyncio import create_task

    async def view():
        asyncio.create_task(send())  # here
        create_task(send())  # here
        asyncio.ensure_future(send())  # here
        asyncio.get_running_loop().create_task(send())  # here
        _ = asyncio.create_task(send())  # here

    async def other():
        loop = asyncio.get_running_loop()
        loop.create_task(send())  # here
    """,
)
GOOD: Final = (
    """
    import asyncio

    async def view():
        task = asyncio.create_task(send())
        tasks.add(asyncio.create_task(send()))
        await asyncio.create_task(send())
        async with asyncio.TaskGroup() as group:
            group.create_task(send())
        self.create_task(send())
        manager.create_task(send())
        asyncio.create_task(send()).add_done_callback(print)
        return asyncio.create_task(send())

    class Client:
        def __del__(self):
            asyncio.get_running_loop().create_task(self.close())
    """,
)


def found(module: Module) -> Iterator[Place]:
    """Give each statement that starts a task of asyncio and keeps nothing of it."""
    for node in module.nodes:
        if _is_dropped(node) and isinstance(node.value, ast.Call) and _starts(module, node.value):
            above = module.above(node)
            if not any(getattr(each, "name", "") == "__del__" for each in above):
                told = ast.unparse(node.value.func)
                yield Place(node.value, f"Nobody holds the task that {told}() starts")


def _is_dropped(node: ast.AST) -> TypeGuard[ast.Expr | ast.Assign]:
    if isinstance(node, ast.Assign):
        return all(isinstance(each, ast.Name) and each.id == "_" for each in node.targets)
    return isinstance(node, ast.Expr)


def _starts(module: Module, call: ast.Call) -> bool:
    if module.origin(call.func) in _STARTS:
        return True
    function = call.func
    if not isinstance(function, ast.Attribute) or function.attr != "create_task":
        return False
    if isinstance(function.value, ast.Name):
        return function.value.id in _loops(module, call)
    return _is_loop(module, function.value)


def _loops(module: Module, call: ast.Call) -> set[str]:
    """Return the names that the function around a call gives to the loop that runs."""
    function = next((each for each in module.above(call) if isinstance(each, _FUNCTIONS)), None)
    return {
        target.id
        for node in (inside(function) if function else ())
        if isinstance(node, ast.Assign) and _is_loop(module, node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _is_loop(module: Module, node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and module.origin(node.func) in _LOOPS
