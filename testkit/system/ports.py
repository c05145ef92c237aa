"""Ports that this process holds: one kept for a server, and those that anything in it has bound."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from pathlib import Path

__all__ = ["LOOPBACK", "HeldPort", "is_held_here"]

LOOPBACK = "127.0.0.1"
_DESCRIPTORS = Path("/proc/self/fd" if Path("/proc/self/fd").is_dir() else "/dev/fd")


class HeldPort:
    """A port chosen by the kernel, and held until ``release``.

    On Linux the socket stays bound without listening: the kernel gives the port to nobody else, and
    a server that sets SO_REUSEADDR (Postgres, Redis and Valkey do) binds and listens beside it.
    Elsewhere two sockets cannot share it: the port is free when chosen, but not held, and a server
    that finds it taken says so.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((LOOPBACK, 0))
        self.port: int = self._socket.getsockname()[1]
        if sys.platform != "linux":
            self._socket.close()

    def release(self) -> None:
        """Let go of the port; the server that listens on it keeps it."""
        self._socket.close()


def is_held_here(address: int | str) -> bool:
    """Return whether this process has bound that TCP port or that path of a Unix socket.

    Whether it listens does not matter, nor which library made the socket: it looks at the
    descriptors. Established connections do not count.
    """
    return any(_bound(int(entry.name)) == address for entry in _DESCRIPTORS.iterdir())


def _bound(descriptor: int) -> int | str | None:
    with contextlib.ExitStack() as stack:
        try:
            copy = os.dup(descriptor)
            stack.callback(os.close, copy)
            blocking = os.get_blocking(copy)
            own = socket.socket(fileno=copy)
        except OSError:
            return None  # no socket, or closed meanwhile
        stack.pop_all()
        with own:
            # With socket.setdefaulttimeout the new object has changed the flag of both descriptors.
            os.set_blocking(copy, blocking)
            if own.type != socket.SOCK_STREAM or _is_connected(own):
                return None
            name: tuple[str, int] | str = own.getsockname()
    return name[1] if isinstance(name, tuple) else name


def _is_connected(own: socket.socket) -> bool:
    try:
        own.getpeername()
    except OSError:
        return False
    return True
