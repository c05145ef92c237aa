"""A whole server that hangs, dies or comes back: pause, kill and restart."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Literal, Protocol, Self

from testkit.core.messages import TestkitError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Data", "Process", "ServerFault", "ServerFaults"]

#: What becomes of the data of a server that is killed.
Data = Literal["kept", "lost"]


class Process(Protocol):
    """The process of a server that may be disturbed, and what else must know of it."""

    @property
    def place(self) -> str:
        """Host and port."""

    def pause(self) -> None:
        """Stop it where it stands, with its children."""

    def resume(self) -> None:
        """Let it go on."""

    def kill(self, data: Data) -> None:
        """End it by SIGKILL. Raises TestkitError where it has not been touched."""

    def start(self, data: Data) -> None:
        """Start it again, at the same address; one that still runs is killed. Raises TK101."""


class ServerFault:
    """One fault of a server, in force until ``end``, the end of its block, or that of the test."""

    def __init__(self, what: str, undo: Callable[[], None]) -> None:
        self._what, self._undo = what, undo
        self._lock = threading.Lock()
        self._ended = False
        #: How often it struck: once, as soon as it is there.
        self.struck = 1

    def __str__(self) -> str:
        return self._what

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def in_force(self) -> bool:
        """Return whether it has not ended."""
        return not self._ended

    def end(self) -> None:
        """Let the server go on, or start it again; nothing at a second call. Raises TK101."""
        with self._lock:
            if not self._ended:
                self._ended = True
                self._undo()


class ServerFaults:
    """What may be done to one server of this process' own; one fault at a time.

    Address and password stay. Each call returns when it is done: a server that was started again
    takes connections.
    """

    def __init__(self, process: Process) -> None:
        self._process = process
        self._fault: ServerFault | None = None

    def pause(self) -> ServerFault:
        """Stop the server and its children where they stand (SIGSTOP): it hangs.

        Connections stay open, and new ones are taken by the kernel, but nothing is answered. When
        it ends the server does what it was sent meanwhile. Raises TK641.
        """
        process = self._process
        return self._strike("pause()", "the server is paused", process.pause, process.resume)

    def kill(self, *, data: Data = "kept") -> ServerFault:
        """Kill the server with its children (SIGKILL): down until the fault ends.

        Every connection breaks, and new ones are refused. Then it starts again: with ``kept`` it
        holds every write that it had acknowledged before, as after a crash; with ``lost`` it is as
        it was made, a Redis empty, a Postgres like the template. Raises TK641 to TK643.
        """
        return self._strike(
            f"kill(data={data!r})",
            f"the server is killed, its data {data}",
            lambda: self._process.kill(data),
            lambda: self._process.start(data),
        )

    def restart(self, *, data: Data = "kept") -> ServerFault:
        """Kill the server and start it again; the answer has ended. Raises TK101, TK641 to 643."""
        fault = self.kill(data=data)
        fault.end()
        return fault

    def end(self) -> None:
        """End the fault that is in force, if any."""
        if self._fault is not None:
            self._fault.end()

    def _strike(
        self, asked: str, what: str, strike: Callable[[], None], undo: Callable[[], None]
    ) -> ServerFault:
        if self._fault is not None and self._fault.in_force:
            raise TestkitError("TK641", asked=asked, fault=self._fault, place=self._process.place)
        # Now: whatever interrupts what follows, the end of the test undoes it.
        fault = self._fault = ServerFault(what, undo)
        try:
            strike()
        except TestkitError:
            self._fault = None  # the server was not touched
            raise
        return fault
