"""The processes of this machine, as their command lines tell (Linux: reads /proc)."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from testkit.system.processes import ProcessIdentity, identify

__all__ = [
    "LINUX",
    "children_of",
    "command_lines",
    "ended_process",
    "listening",
    "processes_below",
]

_LISTEN = "0A"
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def command_lines() -> dict[Path, str]:
    """Return the command line of each process, arguments parted by spaces, by its folder in /proc."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            line = (path / "cmdline").read_bytes()
        except OSError:  # it ended meanwhile
            continue
        found[path] = line.replace(b"\0", b" ").decode(errors="replace")
    return found


def processes_below(folder: Path) -> list[str]:
    """Return the command lines that name this folder: those of its servers and keepers."""
    return [line for line in command_lines().values() if str(folder) in line]


def children_of(pid: int) -> list[int]:
    """Return the pids of the processes that this one has started and that still run."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, task.read_text().split())
        except OSError:  # it ended meanwhile
            continue
    return found


def listening() -> list[tuple[str, int]]:
    """Return the addresses and ports on which anybody on this machine listens (IPv4 and IPv6)."""
    found = []
    for name, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path("/proc/net", name).read_text().splitlines()[1:]:
            _, local, _, state = line.split()[:4]
            if state != _LISTEN:
                continue
            address, port = local.split(":")
            # Words of four bytes, each in the order of this machine.
            words = [bytes.fromhex(address[i : i + 8]) for i in range(0, len(address), 8)]
            packed = b"".join(w[::-1] if sys.byteorder == "little" else w for w in words)
            found.append((socket.inet_ntop(family, packed), int(port, 16)))
    return found


def ended_process() -> ProcessIdentity:
    """Return the identity of a process that has ended."""
    with subprocess.Popen([sys.executable, "-Sc", "input()"], stdin=subprocess.PIPE) as process:
        found = identify(process.pid)
    assert found is not None
    return found
