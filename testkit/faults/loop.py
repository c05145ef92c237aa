"""The thread that moves the bytes: a selector, timers, and commands from other threads."""

from __future__ import annotations

import contextlib
import heapq
import os
import selectors
import socket
import threading
import time
import weakref
from collections import deque
from itertools import count
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Loop", "now"]

_T = TypeVar("_T")

READ: Final = selectors.EVENT_READ
WRITE: Final = selectors.EVENT_WRITE
_BUFFER: Final = 256 * 1024
_LOOK: Final = 0.5  # seconds between two looks whether the thread is still there
# A clock that a test has stopped stands for the code under test, not for the relay.
_gettime: Final = time.clock_gettime
_MONOTONIC: Final = time.CLOCK_MONOTONIC


def now() -> float:
    """Return real monotonic seconds."""
    return _gettime(_MONOTONIC)


class Loop:
    """Serves sockets in one thread, so that it works whatever the test's own thread and loop do.

    Everything that a handler or a timer touches belongs to this thread; others go through ``call``.
    """

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._woken, self._waking = socket.socketpair()
        self._woken.setblocking(False)
        self._waking.setblocking(False)
        self._selector.register(self._woken, READ, self._drain)
        self._commands: deque[Callable[[], None]] = deque()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._ends = False
        self.sockets: set[socket.socket] = {self._woken, self._waking}
        #: What went wrong in a handler; raised by ``stop``.
        self.failure: BaseException | None = None
        #: Into which everybody receives: bytes lie in it until the handler returns.
        self.buffer = memoryview(bytearray(_BUFFER))
        self._thread = threading.Thread(target=self._run, name="testkit faults", daemon=True)
        self._thread.start()
        _loops.add(self)

    # --- from any thread

    def call(self, do: Callable[[], _T]) -> _T:
        """Run it in the loop's thread, behind whatever came in before; return or raise its end.

        Raises RuntimeError where the thread is not there any more, as in a forked process.
        """
        if threading.current_thread() is self._thread:
            return do()
        answer: list[_T] = []
        failure: list[BaseException] = []
        done = threading.Event()

        def command() -> None:
            try:
                answer.append(do())
            except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
                failure.append(error)
            finally:
                done.set()

        self._commands.append(command)
        with contextlib.suppress(BlockingIOError):  # then it is about to wake
            self._waking.send(b".")
        while not done.wait(_LOOK):
            if not self._thread.is_alive():
                raise RuntimeError("the relays' thread has ended")
        if failure:
            raise failure[0]
        return answer[0]

    def stop(self) -> None:
        """End the thread and close what is left open; raises what went wrong in it."""

        def end() -> None:
            self._ends = True

        self.call(end)
        self._thread.join()
        for each in list(self.sockets):
            each.close()
        self._selector.close()
        _loops.discard(self)
        if self.failure is not None:
            raise self.failure

    # --- from its own thread

    def watch(self, sock: socket.socket, events: int, handler: Callable[[int], None]) -> None:
        """Call the handler with what the socket is ready for; no events end that."""
        known = sock in self._selector.get_map()
        if not events:
            if known:
                self._selector.unregister(sock)
        elif known:
            self._selector.modify(sock, events, handler)
        else:
            self._selector.register(sock, events, handler)

    def own(self, sock: socket.socket) -> None:
        """Close this socket with the loop, unless ``drop`` did it before."""
        self.sockets.add(sock)

    def drop(self, sock: socket.socket) -> None:
        """Watch a socket no more, and close it."""
        if sock.fileno() >= 0:
            self.watch(sock, 0, _nothing)
        self.sockets.discard(sock)
        sock.close()

    def at(self, when: float, do: Callable[[], None]) -> None:
        """Call it once, at that time or, by up to a millisecond, later."""
        heapq.heappush(self._timers, (when, next(self._numbers), do))

    def _run(self) -> None:
        while not self._ends:
            self._poll(self._patience())
            if self._commands:
                # What came in before the command may have woken nobody yet.
                self._poll(0)
            while self._commands:
                self._commands.popleft()()
            while self._timers and self._timers[0][0] <= now():
                self._guarded(heapq.heappop(self._timers)[2])

    def _patience(self) -> float | None:
        return max(0.0, self._timers[0][0] - now()) if self._timers else None

    def _poll(self, seconds: float | None) -> None:
        for key, events in self._selector.select(seconds):
            # One handler may have closed the socket of a later one.
            if self._selector.get_map().get(key.fileobj) is key:
                try:
                    key.data(events)
                except Exception as error:  # noqa: BLE001 - the others are served on
                    self.failure = self.failure or error

    def _guarded(self, do: Callable[[], None]) -> None:
        try:
            do()
        except Exception as error:  # noqa: BLE001 - as above
            self.failure = self.failure or error

    def _drain(self, _events: int) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._woken.recv(4096):
                pass

    def forked(self) -> None:
        """Let a child process hold no connection open that is not its own."""
        for each in list(self.sockets):
            with contextlib.suppress(OSError):
                os.close(each.detach())
        self._selector.close()


def _nothing(_events: int) -> None:
    pass


_loops: Final[weakref.WeakSet[Loop]] = weakref.WeakSet()


def _forked() -> None:
    for loop in list(_loops):
        loop.forked()
    _loops.clear()


os.register_at_fork(after_in_child=_forked)
