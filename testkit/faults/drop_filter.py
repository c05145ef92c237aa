"""Connections that nobody answers: a listening socket whose packets the kernel throws away."""

from __future__ import annotations

import ctypes
import struct
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import socket

__all__ = ["SUPPORTED", "DropFilter"]

#: Socket filters that need no privilege are Linux'.
SUPPORTED: Final = sys.platform == "linux"
# <asm-generic/socket.h>: for SOL_SOCKET, on all architectures that Python runs tests on.
_SOL_SOCKET, _ATTACH, _DETACH, _MEMINFO = 1, 26, 27, 55
# <linux/filter.h>: one instruction, BPF_RET | BPF_K, which keeps no byte of the packet.
_DROP_ALL: Final = struct.pack("HBBI", 0x06, 0, 0, 0)
_DROPS: Final = 8  # SK_MEMINFO_DROPS


class DropFilter:
    """Lets nothing reach a listening socket; clients send their SYN again, as by a dead host."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        program = ctypes.create_string_buffer(_DROP_ALL)
        described = struct.pack("HL", 1, ctypes.addressof(program))
        listener.setsockopt(_SOL_SOCKET, _ATTACH, described)
        self._before = self._drops()

    def dropped(self) -> int:
        """Return how many packets were dropped: an attempt to connect is at least one."""
        return self._drops() - self._before

    def end(self) -> None:
        """Let the next packet in: a client that still waits sends one after a second or more."""
        self._listener.setsockopt(_SOL_SOCKET, _DETACH, 0)

    def _drops(self) -> int:
        size = 4 * (_DROPS + 1)
        facts = struct.unpack(
            f"{_DROPS + 1}I", self._listener.getsockopt(_SOL_SOCKET, _MEMINFO, size)
        )
        return int(facts[_DROPS])
