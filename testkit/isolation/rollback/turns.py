"""One at a time: threads and tasks of any loop take turns on what they share."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Final

from testkit.core.messages import TestkitError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

__all__ = ["Turns"]

_PAUSE: Final = 0.001  # seconds in which a loop goes on with other things


class Turns:
    """A lock that a thread or a task holds, and may take again while it does.

    A loop goes on while a task of it waits.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder: object = None
        self._thread: int | None = None  # in which the holder runs

    @contextlib.contextmanager
    def taken(self, *, seconds: float = -1) -> Iterator[bool]:
        """Hold it for a block of synchronous code; False where it was not to be had in time.

        Where a task of this very thread holds it nothing would ever run that task: then it raises
        TK378, or answers False at once where the time is limited.
        """
        me = _me()
        if self._holder == me:
            yield True
            return
        holder = self._holder
        if isinstance(holder, asyncio.Task) and self.is_of_this_thread():
            if seconds < 0:
                raise TestkitError("TK378", task=holder.get_name())
            yield False
            return
        if not self._lock.acquire(timeout=seconds):
            yield False
            return
        with self._held(me):
            yield True

    def is_of_this_thread(self) -> bool:
        """Return whether this thread, or a task of it, holds it."""
        return self._thread == threading.get_ident()

    @contextlib.asynccontextmanager
    async def taken_in_loop(self) -> AsyncIterator[None]:
        """Hold it for a block of asynchronous code."""
        me = _me()
        if self._holder == me:
            yield
            return
        while not self._lock.acquire(blocking=False):  # noqa: ASYNC110 - other threads wait as well
            await asyncio.sleep(_PAUSE)
        with self._held(me):
            yield

    @contextlib.contextmanager
    def _held(self, me: object) -> Iterator[None]:
        self._holder, self._thread = me, threading.get_ident()
        try:
            yield
        finally:
            self._holder = self._thread = None
            self._lock.release()


def _me() -> object:
    """Return the task that runs, or the thread."""
    with contextlib.suppress(RuntimeError):
        if (task := asyncio.current_task()) is not None:
            return task
    return threading.get_ident()
