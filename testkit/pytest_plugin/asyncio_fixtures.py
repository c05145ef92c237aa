"""Fixtures for tests that pytest-asyncio runs; loaded only where it is installed.

Two for each loop scope: what a test opened must be closed in the loop that the test ran in, and a
shared fixture is set up in the loop of the tests where that lives long enough.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Literal

import pytest_asyncio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = [
    "testkit_closing_class",
    "testkit_closing_function",
    "testkit_closing_module",
    "testkit_closing_package",
    "testkit_closing_session",
    "testkit_loop_class",
    "testkit_loop_module",
    "testkit_loop_package",
    "testkit_loop_session",
]

_Scope = Literal["function", "class", "module", "package", "session"]


def _closing(scope: _Scope) -> Any:
    @pytest_asyncio.fixture(loop_scope=scope, name=f"testkit_closing_{scope}")
    async def closing() -> AsyncIterator[AsyncExitStack]:
        async with AsyncExitStack() as stack:
            yield stack

    return closing


def _loop(scope: _Scope) -> Any:
    @pytest_asyncio.fixture(scope=scope, loop_scope=scope, name=f"testkit_loop_{scope}")
    async def loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    return loop


testkit_closing_function = _closing("function")
testkit_closing_class = _closing("class")
testkit_closing_module = _closing("module")
testkit_closing_package = _closing("package")
testkit_closing_session = _closing("session")
testkit_loop_class = _loop("class")
testkit_loop_module = _loop("module")
testkit_loop_package = _loop("package")
testkit_loop_session = _loop("session")
