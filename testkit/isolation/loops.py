"""Connections that can be used in one event loop only, and what becomes of them when it ends."""

from __future__ import annotations

import contextlib
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, Callable, Iterable

__all__ = ["LoopEnds", "cut_off"]


class LoopEnds:
    """Closes, in the last moments of an event loop, what lies idle in pools and is of no use then.

    ``idle`` answers the drivers' connections that were made in a loop and are in no other's hands.
    A loop ends with ``asyncio.run``, ``asyncio.Runner`` and all that stand on them; one that is
    closed without further ado closes nothing.
    """

    def __init__(self, idle: Callable[[asyncio.AbstractEventLoop], Iterable[Any]]) -> None:
        self._idle = idle
        self._ends: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncGenerator[None]]
        self._ends = weakref.WeakKeyDictionary()

    def follow(self, connection: Any, loop: asyncio.AbstractEventLoop) -> None:
        """Wait for the end of the loop, which runs now and in which the connection was made."""
        if loop not in self._ends:
            end = self._ends[loop] = self._until_the_end(weakref.ref(loop))
            connection.run_async(lambda _driver: anext(end))

    async def _until_the_end(
        self, of: weakref.ref[asyncio.AbstractEventLoop]
    ) -> AsyncGenerator[None]:
        # A loop that is shut down closes the asynchronous generators that began in it.
        try:
            yield
        finally:
            loop = of()
            for driver in self._idle(loop) if loop is not None else ():
                with contextlib.suppress(Exception):
                    await driver.close()


def cut_off(driver: Any, loop: asyncio.AbstractEventLoop | None) -> None:
    """End a connection of asyncpg outside of its loop, which may be closed or run elsewhere."""
    with contextlib.suppress(Exception):
        if loop is not None and loop.is_running():
            loop.call_soon_threadsafe(driver.terminate)
            return
    with contextlib.suppress(Exception):  # a closed loop's transport can do nothing any more
        transport = driver._transport  # noqa: SLF001 - no public name
        with contextlib.suppress(Exception):
            driver.terminate()
        if loop is None or loop.is_closed():
            transport._sock.close()  # noqa: SLF001 - no public way either
            transport._sock = None  # noqa: SLF001 - it would warn of itself
