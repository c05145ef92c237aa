"""TD302: a decorator of functions on a coroutine function, where it does something else or nothing."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Rule
from testkit.doctor.static.module import Module, Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["BAD", "GOOD", "RULE", "found"]

RULE: Final = Rule(
    "TD302",
    "A decorator does not work on a coroutine function",
    "error",
    "Calling `async def` only makes a coroutine; what it does comes later. A breaker of pybreaker counts the making as a success and never opens; "
    "`lru_cache` keeps the coroutine, which can be awaited once; `contextmanager` makes a manager that cannot be entered.",
    "Take what is made for coroutines: purgatory or `call_async` for breakers, a cache that awaits (async_lru), `asynccontextmanager`.",
)
#: By dotted name: what becomes of the coroutine.
_WRONG: Final[Mapping[str, str]] = {
    "functools.cache": "keeps the coroutine, and the second await of it raises",
    "functools.lru_cache": "keeps the coroutine, and the second await of it raises",
    "cachetools.cached": "keeps the coroutine, and the second await of it raises",
    "contextlib.contextmanager": "makes a manager that cannot be entered",
    "retrying.retry": "never sees the error of the coroutine",
}
_BREAKER: Final = "pybreaker.CircuitBreaker"
BAD: Final = (
    """
    import functools
    from functools import lru_cache
    from contextlib import contextmanager
    import pybreaker
    from cachetools import TTLCache, cached

    breaker = pybreaker.CircuitBreaker(fail_max=3)

    @breaker
    async def publish():  # here
        ...

    @lru_cache(maxsize=8)
    async def load():  # here
        ...

    @functools.cache
    async def other():  # here
        ...

    @contextmanager
    async def opened():  # here
        yield 1

    @cached(TTLCache(8, 60))
    async def kept():  # here
        ...

    class Client:
        _breaker = pybreaker.CircuitBreaker()

        @_breaker
        async def call(self):  # here
            ...
    """,
)
GOOD: Final = (
    """
    import functools
    from contextlib import asynccontextmanager
    import pybreaker
    from purgatory import AsyncCircuitBreakerFactory

    breaker = pybreaker.CircuitBreaker()
    factory = AsyncCircuitBreakerFactory()

    @breaker
    def publish():
        ...

    @functools.lru_cache
    def load():
        ...

    @asynccontextmanager
    async def opened():
        yield 1

    @factory("redis")
    async def call():
        ...

    @functools.wraps(call)
    async def wrapped():
        ...

    @breaker(__pybreaker_call_async=True)
    async def on_tornado():
        ...
    """,
)


def found(module: Module) -> Iterator[Place]:
    """Give each coroutine function below such a decorator."""
    breakers = _breakers(module)
    for function in module.nodes:
        if not isinstance(function, ast.AsyncFunctionDef):
            continue
        for decorator in function.decorator_list:
            called = decorator.func if isinstance(decorator, ast.Call) else decorator
            name = module.origin(called)
            told = _WRONG.get(name, "")
            if isinstance(decorator, ast.Name) and decorator.id in breakers:
                told = "counts the making of the coroutine as a success, and never opens"
            if told:
                shown = ast.unparse(called)
                yield Place(function, f"@{shown} on async def {function.name} {told}")


def _breakers(module: Module) -> set[str]:
    """Return the names that this file gives to breakers of pybreaker."""
    return {
        target.id
        for node in module.nodes
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and module.origin(node.value.func) == _BREAKER
        for target in node.targets
        if isinstance(target, ast.Name)
    }
