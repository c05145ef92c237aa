"""What an event loop still waits for from outside: answers, jobs in threads, child processes.

A transport is in flight from a write until its next read, and while it could not write all. Bare
registrations (``add_reader``, ``add_writer``, the ``sock_…`` methods, psycopg's waits) are in
flight as long as they stand. The ends that this loop accepted are not: whoever sent a request to
them is.
"""

from __future__ import annotations

import asyncio
import asyncio.futures
import concurrent.futures
import selectors
import ssl
import sys
import threading
import weakref
from asyncio import selector_events as _selector_events
from asyncio.base_events import BaseEventLoop
from asyncio.base_subprocess import BaseSubprocessTransport
from asyncio.sslproto import SSLProtocol as _SSLProtocol
from asyncio.sslproto import SSLProtocolState
from typing import TYPE_CHECKING, Any, Final, cast

from testkit.clock.hands import SECOND, real_monotonic_ns

if TYPE_CHECKING:
    from testkit.clock.patches import Patches

__all__ = ["InFlight"]

selector_events: Final[Any] = _selector_events  # typed without what is private in it
SSLProtocol: Final[Any] = _SSLProtocol
# The loop's own pipe, and sockets that listen, for asyncio's servers and for anyio's.
_LISTENING: Final = {"_read_from_self", "_accept_connection", "_sock_accept"}
_REST: Final = SECOND // 4  # a server that goes on with an answer does so sooner
_ANYIO: Final = "anyio._backends._asyncio"


class InFlight:
    """Counts what is in flight in every loop of this process.

    ``install`` wraps methods of asyncio's classes; the patches undo that.
    """

    def __init__(self) -> None:
        self._written: weakref.WeakSet[Any] = weakref.WeakSet()
        self._read: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._accepted: weakref.WeakSet[Any] = weakref.WeakSet()
        self._decrypted: weakref.WeakSet[ssl.SSLObject] = weakref.WeakSet()
        # Plain sets: a list of one is taken at once, also while other threads add to it.
        self._awaited: set[asyncio.Future[Any]] = set()
        self._children: set[Any] = set()

    def install(self, patches: Patches) -> None:
        """Follow writes, reads, futures of executors and child processes from now on."""
        transport, loop = selector_events._SelectorSocketTransport, BaseEventLoop
        patches.wrap(transport, "write", self._writes)
        patches.wrap(transport, "writelines", self._writes)
        # Not the transport's own method: a connection that was there before keeps the one it had.
        patches.wrap(selector_events.BaseSelectorEventLoop, "_process_events", self._reads)
        patches.wrap(loop, "connect_accepted_socket", self._accepts)
        patches.wrap(SSLProtocol, "_write_appdata", self._writes_encrypted)
        patches.wrap(SSLProtocol, "_do_read", self._reads_encrypted)
        patches.wrap(ssl.SSLObject, "read", self._decrypts)
        # run_in_executor, to_thread and wrap_future all come by here.
        patches.wrap(asyncio.futures, "_chain_future", self._chains)
        # A thread of its own waits for the workers, and asyncio for that with a timeout.
        patches.wrap(loop, "shutdown_default_executor", self._shuts_down)
        patches.wrap(BaseSubprocessTransport, "__init__", self._starts)

    def _writes(self, original: Any) -> Any:
        def write(transport: Any, data: Any) -> Any:
            if data and not _encrypts(transport) and self._is_client(transport):
                self._written.add(transport)
            return original(transport, data)

        return write

    def _reads(self, original: Any) -> Any:
        def process_events(loop: Any, event_list: Any) -> Any:
            for key, mask in event_list:
                if mask & selectors.EVENT_READ and key.data[0] is not None:
                    owner = getattr(key.data[0]._callback, "__self__", None)
                    is_socket = isinstance(owner, selector_events._SelectorSocketTransport)
                    if is_socket and not _encrypts(owner):
                        self._heard(owner)
            return original(loop, event_list)

        return process_events

    def _heard(self, transport: Any) -> None:
        self._written.discard(transport)
        self._read[transport] = real_monotonic_ns()  # of each piece: the last one counts

    def _expects_more(self, transport: Any) -> bool:
        """Return whether a piece of an answer came just now, and somebody waits for the rest."""
        since = real_monotonic_ns() - self._read.get(transport, 0)
        return since < _REST and self._is_client(transport) and _is_awaited(transport)

    def _is_client(self, transport: Any) -> bool:
        return transport._server is None and transport not in self._accepted

    def _writes_encrypted(self, original: Any) -> Any:
        def write(protocol: Any, data: Any) -> Any:
            if not protocol._server_side and protocol._transport is not None:
                self._written.add(protocol._transport)
            return original(protocol, data)

        return write

    def _reads_encrypted(self, original: Any) -> Any:
        # A server's session tickets are read too, and answer nothing.
        def do_read(protocol: Any) -> Any:
            result = original(protocol)
            if protocol._sslobj in self._decrypted:
                self._decrypted.discard(protocol._sslobj)
                self._heard(protocol._transport)
            return result

        return do_read

    def _decrypts(self, original: Any) -> Any:
        def read(secured: Any, *arguments: Any, **named: Any) -> Any:
            result = original(secured, *arguments, **named)
            if result:
                self._decrypted.add(secured)
            return result

        return read

    def _accepts(self, original: Any) -> Any:
        async def connect_accepted_socket(loop: Any, *arguments: Any, **named: Any) -> Any:
            outer, protocol = await original(loop, *arguments, **named)
            inner = getattr(getattr(outer, "_ssl_protocol", None), "_transport", outer)
            self._accepted.add(inner)
            self._written.discard(inner)
            return outer, protocol

        return connect_accepted_socket

    def _chains(self, original: Any) -> Any:
        def chain_future(source: Any, destination: Any) -> Any:
            if isinstance(source, concurrent.futures.Future) and asyncio.isfuture(destination):
                self._awaited.add(destination)
            return original(source, destination)

        return chain_future

    def _shuts_down(self, original: Any) -> Any:
        async def shutdown_default_executor(loop: Any, *arguments: Any, **named: Any) -> None:
            ends = loop.create_future()
            self._awaited.add(ends)
            try:
                await original(loop, *arguments, **named)
            finally:
                ends.cancel()

        return shutdown_default_executor

    def _starts(self, original: Any) -> Any:
        def start(transport: Any, *arguments: Any, **named: Any) -> None:
            original(transport, *arguments, **named)
            self._children.add(transport)

        return start

    def count(self, loop: asyncio.AbstractEventLoop) -> int:
        """Return how much is in flight in this loop."""
        for future in list(self._awaited):
            if future.done():
                self._awaited.discard(future)
        for child in list(self._children):
            if child._returncode is not None:
                self._children.discard(child)
        return (
            sum(self._is_in_flight(key, loop) for key in _keys(loop))
            + sum(future.get_loop() is loop for future in list(self._awaited))
            + sum(child._loop is loop for child in list(self._children))
            + _busy_workers(loop)
        )

    def _is_in_flight(self, key: Any, loop: Any) -> bool:
        if not isinstance(key.data, tuple):
            return False
        reader, writer = key.data
        if writer is not None:
            return True  # unsent data, or a connection that is being made
        callback = reader and reader._callback
        owner = getattr(callback, "__self__", None)
        if owner is loop:
            # Its other methods that wait for a socket wait for an answer.
            return getattr(callback, "__name__", "") not in _LISTENING
        if not isinstance(owner, asyncio.BaseTransport):
            return reader is not None
        return owner in self._written or _shakes_hands(owner) or self._expects_more(owner)

    def has_sockets(self, loop: Any) -> bool:
        """Return whether something could still come in on a socket of this loop."""
        return len(_keys(loop)) > 1  # the loop's own pipe is always there


def _keys(loop: Any) -> list[Any]:
    # Not get_map(): another thread's loop would change it under the iteration.
    return list(loop._selector._fd_to_key.values()) if loop._selector is not None else []


def _encrypts(transport: Any) -> bool:
    return isinstance(getattr(transport, "_protocol", None), SSLProtocol)


def _is_awaited(transport: Any) -> bool:
    """Return whether a task waits for data of a stream of asyncio or anyio."""
    protocol: Any = getattr(transport, "_protocol", None)
    protocol = getattr(protocol, "_app_protocol", protocol)
    reader = getattr(protocol, "_stream_reader", None)
    event = getattr(protocol, "read_event", None)
    return getattr(reader, "_waiter", None) is not None or bool(getattr(event, "_waiters", None))


def _shakes_hands(transport: Any) -> bool:
    protocol: Any = getattr(transport, "_protocol", None)
    return isinstance(protocol, SSLProtocol) and not (
        protocol._server_side or protocol._state is SSLProtocolState.WRAPPED
    )


def _busy_workers(loop: asyncio.AbstractEventLoop) -> int:
    if _ANYIO not in sys.modules:
        return 0
    kind = cast("type[Any]", sys.modules[_ANYIO].WorkerThread)
    return sum(
        isinstance(thread, kind)
        and thread.loop is loop
        and not thread.stopping
        and thread not in thread.idle_workers
        for thread in threading.enumerate()
    )
