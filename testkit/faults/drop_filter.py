"""Connections that nobody answers: a listening socket whose packets the kernel throws away.

Its filter does so, or, for users who may have none, its queue that is full.
"""

from __future__ import annotations

import contextlib
import ctypes
import socket
import struct
import sys
from typing import Final

__all__ = ["SUPPORTED", "DropFilter", "FullBacklog"]

#: The kernel's count of what a socket dropped is Linux'.
SUPPORTED: Final = sys.platform == "linux"
# <asm-generic/socket.h>: for SOL_SOCKET, on all architectures that Python runs tests on.
_SOL_SOCKET, _ATTACH, _DETACH, _MEMINFO = 1, 26, 27, 55
# <linux/filter.h>: one instruction, BPF_RET | BPF_K, which keeps no byte of the packet.
_DROP_ALL: Final = struct.pack("HBBI", 0x06, 0, 0, 0)
_DROPS: Final = 8  # SK_MEMINFO_DROPS
_MOST_FILLERS: Final = 64  # one is enough for Linux: a queue of length 0 holds it


class DropFilter:
    """Lets nothing reach a listening socket; clients send their SYN again, as by a dead host.

    Raises PermissionError on kernels that grant filters to root alone.
    """

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        program = ctypes.create_string_buffer(_DROP_ALL)
        described = struct.pack("HL", 1, ctypes.addressof(program))
        listener.setsockopt(_SOL_SOCKET, _ATTACH, described)
        self._before = _drops(listener)

    def dropped(self) -> int:
        """Return how many packets were dropped: an attempt to connect is at least one."""
        return _drops(self._listener) - self._before

    def end(self) -> None:
        """Let the next packet in: a client that still waits sends one after a second or more."""
        self._listener.setsockopt(_SOL_SOCKET, _DETACH, 0)


class FullBacklog:
    """The same for any user: the queue of connections that nobody has accepted is kept full.

    Nobody may accept before ``end``. ``fillers`` are our own connections in the queue, by address;
    where there are some already, it is full. Whoever accepts one closes it.
    """

    def __init__(self, listener: socket.socket, fillers: dict[object, socket.socket]) -> None:
        self._listener, self._fillers = listener, fillers
        if not fillers:
            listener.listen(0)
            self._fill()
        self._before = _drops(listener)

    def _fill(self) -> None:
        for _ in range(_MOST_FILLERS):
            before = _drops(self._listener)
            filler = socket.socket(self._listener.family, socket.SOCK_STREAM)
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(self._listener.getsockname())
            if _drops(self._listener) > before:
                filler.close()  # or it would be counted again, a second later
                return
            self._fillers[filler.getsockname()] = filler

    def dropped(self) -> int:
        """Return how many attempts to connect found the queue full."""
        return _drops(self._listener) - self._before

    def end(self) -> None:
        """Let the next attempt in; ``listen`` is called by whoever owns the socket."""
        for filler in self._fillers.values():
            filler.close()


def _drops(listener: socket.socket) -> int:
    size = 4 * (_DROPS + 1)
    facts = struct.unpack(f"{_DROPS + 1}I", listener.getsockopt(_SOL_SOCKET, _MEMINFO, size))
    return int(facts[_DROPS])
