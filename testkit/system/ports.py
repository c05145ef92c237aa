"""Ports that this process holds: one kept for a server, and those that anything in it has bound."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LOOPBACK", "HeldPort", "is_held_here", "ports_apart"]

LOOPBACK = "127.0.0.1"
_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LAST: Final = 65535
_turns: Final = count()
_DESCRIPTORS = Path("/proc/self/fd" if Path("/proc/self/fd").is_dir() else "/dev/fd")


class HeldPort:
    """A port chosen by the kernel, and held until ``release``.

    With ``apart`` it is one of ``ports_apart``, where there are any: also when it was released, the
    kernel gives it to nobody who asks for any port.

    On Linux the socket stays bound without listening: the kernel gives the port to nobody else, and
    a server that sets SO_REUSEADDR (Postgres, Redis and Valkey do) binds and listens beside it.
    Elsewhere two sockets cannot share it: the port is free when chosen, but not held, and a server
    that finds it taken says so.
    """

    def __init__(self, *, apart: bool = False) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if not (apart and any(map(self._takes, _in_turn(ports_apart())))):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((LOOPBACK, 0))
        self.port: int = self._socket.getsockname()[1]
        if sys.platform != "linux":
            self._socket.close()

    def _takes(self, port: int) -> bool:
        try:
            # Shared only from then on: two that share would both get it.
            self._socket.bind((LOOPBACK, port))
        except OSError:
            return False
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return True

    def release(self) -> None:
        """Let go of the port; the server that listens on it keeps it."""
        self._socket.close()


def ports_apart() -> range:
    """Return the ports above those that the kernel chooses from; none where it does not tell."""
    try:
        highest = int(_RANGE.read_text().split()[1])
    except (OSError, ValueError, IndexError):
        highest = _LAST
    return range(highest + 1, _LAST + 1)


def _in_turn(ports: range) -> Iterator[int]:
    """Go through the ports once, from behind the last one that this process took.

    So it takes a port again only when all others had their turn. Processes begin apart.
    """
    for _ in ports:
        yield ports[(next(_turns) + 509 * os.getpid()) % len(ports)]


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
