"""Closing asynchronous clients in the loop that they were used in, whoever runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import pytest

__all__ = ["close_after_test"]


def close_after_test(
    request: pytest.FixtureRequest,
    *closers: Callable[[], Awaitable[Any]],
    otherwise: Callable[[], None] | None = None,
) -> None:
    """Call the closers in this order after the test, in its own loop.

    Under pytest-asyncio and anyio a fixture of theirs does it. A test that runs a loop of its own
    (``asyncio.run``) has ended that loop by then: ``otherwise`` closes without one.
    """
    name = _closing_fixture(request)
    if name is not None:
        stack = request.getfixturevalue(name)
        for closer in reversed(closers):
            stack.push_async_callback(closer)
    elif otherwise is not None:
        request.addfinalizer(otherwise)


def _closing_fixture(request: pytest.FixtureRequest) -> str | None:
    # pytest-asyncio makes an item class of its own of each test that it runs, in every mode.
    if any(kind.__module__.startswith("pytest_asyncio") for kind in type(request.node).__mro__):
        marker = request.node.get_closest_marker("asyncio")
        scope = marker and marker.kwargs.get("loop_scope")
        default = request.config.getini("asyncio_default_test_loop_scope")
        return f"testkit_closing_{scope or default}"
    if "anyio_backend" in request.fixturenames:
        return "testkit_closing"
    return None
