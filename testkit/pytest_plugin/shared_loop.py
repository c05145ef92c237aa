"""The event loop in which an asynchronous shared fixture is set up and torn down."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import sys
from typing import TYPE_CHECKING, Any, Final

from testkit.core.messages import TestkitError
from testkit.pytest_plugin.closing import loop_scope_of
from testkit.pytest_plugin.session import plain_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    import pytest

__all__ = ["steps_in_loop"]

# From the narrowest to the widest.
_SCOPES: Final = ("function", "class", "module", "package", "session")
# What asyncio says of it: there is no kind of its own.
_NOT_ASYNCIO: Final = "Task got bad yield: "


def steps_in_loop(
    function: Any, request: pytest.FixtureRequest, arguments: tuple[Any, ...], named: dict[str, Any]
) -> Iterator[object]:
    """Yield the value of a coroutine function or an asynchronous generator function.

    It runs in the loop of the tests under pytest-asyncio, where that lives as long as the fixture,
    and under anyio in the one that other fixtures keep; else in one of its own.
    Raises TK346 where a loop runs already, TK348 where it waits for what is not asyncio's.
    """
    __tracebackhide__ = True
    _refuse_running_loop(request)
    if inspect.iscoroutinefunction(function):
        with _loop(request) as run:
            value = run(function(*arguments, **named))
        yield value
        return
    with _loop(request) as run:
        generator = function(*arguments, **named)
        while True:
            try:
                value = run(anext(generator))
            except StopAsyncIteration:
                return
            yield value


@contextlib.contextmanager
def _loop(request: pytest.FixtureRequest) -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    if (name := _loop_of_the_tests(request)) is not None:
        loop = request.getfixturevalue(name)
        yield lambda step: _run(request, loop.run_until_complete, step)
        return
    with _loop_of_anyio() as kept:
        if kept is not None:
            yield lambda step: _run(request, kept.run_until_complete, step)
            return
    # With a factory it does not become the thread's current loop, which is for others to set.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        yield lambda step: _run(request, runner.run, step)


@contextlib.contextmanager
def _loop_of_anyio() -> Iterator[asyncio.AbstractEventLoop | None]:
    """Keep the loop that anyio has between tests, while a wider fixture of it is not torn down."""
    plugin: Any = sys.modules.get("anyio.pytest_plugin")
    # No public name tells; without it, none is found.
    runner = getattr(plugin, "_current_runner", None)
    if "asyncio" not in type(runner).__module__:
        yield None
        return
    with plugin.get_runner("asyncio", {}) as same:
        yield same.run_fixture(_running_loop, {})


async def _running_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def _run(
    request: pytest.FixtureRequest,
    run: Callable[[Coroutine[Any, Any, Any]], Any],
    step: Coroutine[Any, Any, Any],
) -> Any:
    __tracebackhide__ = True
    try:
        return run(step)
    except RuntimeError as error:
        _, found, what = str(error).partition(_NOT_ASYNCIO)
        if not found:
            raise
        with plain_errors():
            raise TestkitError(
                "TK348",
                fixture=request.fixturename,
                what=what,
                test=request._pyfuncitem.nodeid,  # noqa: SLF001 - as below
            ) from error


def _loop_of_the_tests(request: pytest.FixtureRequest) -> str | None:
    """Return the fixture that gives it, None where it goes before the fixture does."""
    if not request.config.pluginmanager.hasplugin("testkit-asyncio"):
        return None
    item = request._pyfuncitem  # noqa: SLF001 - the node of a wider fixture is not the test
    scope = loop_scope_of(item)
    if scope is None or _SCOPES.index(scope) < _SCOPES.index(request.scope):
        return None
    return f"testkit_loop_{scope}"


def _refuse_running_loop(request: pytest.FixtureRequest) -> None:
    with contextlib.suppress(RuntimeError):
        asyncio.get_running_loop()
        test = request._pyfuncitem.nodeid  # noqa: SLF001 - see above
        with plain_errors():
            raise TestkitError("TK346", fixture=request.fixturename, test=test)
