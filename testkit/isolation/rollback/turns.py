"""One at a time: threads and tasks of any loop take turns on what they share."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import TYPE_CHECKING, Final

from testkit.core.messages import TestkitError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

__all__ = ["Turns"]

_PAUSE: Final = 0.001  # seconds in which a loop goes on with other things
#: Seconds that are waited for a block of the project's own code, which may itself wait for us.
_LONGEST: Final = 2.0


class Turns:
    """A lock that a thread or a task holds, and may take again while it does.

    A loop goes on while a task of it waits. TK378 is raised for what would never end: where a task
    of this very thread holds it and synchronous code asks, and where it is held over a block of the
    project's own code (``in_block``) that does not end in two seconds, or asks for another one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder: object = None
        self._thread: int | None = None  # in which the holder runs
        self._block: tuple[object, str] | None = None  # whose, and what it is

    @contextlib.contextmanager
    def taken(self, *, seconds: float = -1, by: object = None) -> Iterator[bool]:
        """Hold it for a block of synchronous code; False where it was not to be had in time.

        In time means at once where nothing but this thread could give it back.
        """
        me = _me()
        if self._holder == me:
            self._check_block(by)
            yield True
            return
        holder = self._holder
        if isinstance(holder, asyncio.Task) and self.is_of_this_thread():
            if seconds < 0:
                raise TestkitError("TK378", what=_of_task(holder))
            yield False
            return
        if not self._acquired(seconds):
            yield False
            return
        with self._held(me):
            yield True

    def is_of_this_thread(self) -> bool:
        """Return whether this thread, or a task of it, holds it."""
        return self._thread == threading.get_ident()

    @contextlib.asynccontextmanager
    async def taken_in_loop(self, *, by: object = None) -> AsyncIterator[None]:
        """Hold it for a block of asynchronous code."""
        me = _me()
        if self._holder == me:
            self._check_block(by)
            yield
            return
        since: float | None = None
        while not self._lock.acquire(blocking=False):
            since = self._watch_block(since)
            await asyncio.sleep(_PAUSE)
        with self._held(me):
            yield

    @contextlib.contextmanager
    def in_block(self, whose: object, what: str) -> Iterator[None]:
        """Note, while it is held, that code of the project runs."""
        before, self._block = self._block, (whose, what)
        try:
            yield
        finally:
            self._block = before

    def _acquired(self, seconds: float) -> bool:
        if seconds >= 0:
            return self._lock.acquire(timeout=seconds)
        since: float | None = None
        while not self._lock.acquire(timeout=_LONGEST / 4):
            since = self._watch_block(since)
        return True

    def _watch_block(self, since: float | None) -> float | None:
        """Return since when somebody else's block is waited for."""
        if self._block is None:
            return None
        now = time.monotonic()
        if since is not None and now - since > _LONGEST:
            raise TestkitError("TK378", what=f"{self._block[1]} is under way")
        return since or now

    def _check_block(self, by: object) -> None:
        if self._block is not None and by is not None and self._block[0] is not by:
            raise TestkitError("TK378", what=f"{self._block[1]} is under way")

    @contextlib.contextmanager
    def _held(self, me: object) -> Iterator[None]:
        self._holder, self._thread = me, threading.get_ident()
        try:
            yield
        finally:
            self._holder = self._thread = None
            self._lock.release()


def _of_task(task: asyncio.Task[object]) -> str:
    return f"the task {task.get_name()!r} is in the middle of a statement"


def _me() -> object:
    """Return the task that runs, or the thread."""
    with contextlib.suppress(RuntimeError):
        if (task := asyncio.current_task()) is not None:
            return task
    return threading.get_ident()
