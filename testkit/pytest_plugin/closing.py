"""Closing asynchronous clients in the loop that they were used in, whoever runs it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import pytest

__all__ = ["close_after_test", "loop_scope_of"]


def close_after_test(
    request: pytest.FixtureRequest,
    *closers: Callable[[], Awaitable[Any]],
    otherwise: Callable[[], None] | None = None,
) -> None:
    """Call the closers in this order after the test, in its own loop.

    Under pytest-asyncio and anyio a fixture of theirs does it. A test that runs a loop of its own
    (``asyncio.run``) has ended that loop by then: ``otherwise`` closes without one. So it does
    where the fixture is asked for while the test runs, when theirs can be set up no more.
    """
    name = _closing_fixture(request)
    if name is not None and not (otherwise and _loop_runs()):
        stack = request.getfixturevalue(name)
        for closer in reversed(closers):
            stack.push_async_callback(closer)
    elif otherwise is not None:
        request.addfinalizer(otherwise)


def _loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def loop_scope_of(item: pytest.Item) -> str | None:
    """Return the scope of the loop in which pytest-asyncio runs the test, None where it does not.

    For a test that is not asynchronous: the loop of those that are.
    """
    if "anyio_backend" in getattr(item, "fixturenames", ()) and not _runs_in_pytest_asyncio(item):
        return None
    marker = item.get_closest_marker("asyncio")
    scope = marker and marker.kwargs.get("loop_scope")
    return str(scope or item.config.getini("asyncio_default_test_loop_scope"))


def _closing_fixture(request: pytest.FixtureRequest) -> str | None:
    if _runs_in_pytest_asyncio(request.node):
        return f"testkit_closing_{loop_scope_of(request.node)}"
    if "anyio_backend" in request.fixturenames:
        return "testkit_closing"
    return None


def _runs_in_pytest_asyncio(item: pytest.Item) -> bool:
    # It makes an item class of its own of each test that it runs, in every mode.
    return any(kind.__module__.startswith("pytest_asyncio") for kind in type(item).__mro__)
