"""Identity of processes: a pid alone may belong to somebody else tomorrow."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["ProcessIdentity", "here", "identify", "is_alive"]

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A pid with its start time (clock ticks after boot on Linux, a date elsewhere) and place.

    ``boot`` and ``namespace`` say where the pid means it: a container has pids of its own.
    """

    pid: int
    started: str
    boot: str
    namespace: str


def identify(pid: int) -> ProcessIdentity | None:
    """Return who ``pid`` is now, or None where no such process exists."""
    started = _started(pid)
    return None if started is None else ProcessIdentity(pid, started, *here())


def is_alive(identity: ProcessIdentity) -> bool:
    """Return whether that very process still runs (a zombie does not)."""
    return identify(identity.pid) == identity


def _started(pid: int) -> str | None:
    if sys.platform != "linux":
        answer = subprocess.run(
            ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)],
            capture_output=True,
            text=True,
            check=False,
        ).stdout.split(None, 1)
        return answer[1].strip() if len(answer) == 2 and not answer[0].startswith("Z") else None  # noqa: PLR2004 - state and date
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command name stands in parentheses and may hold anything, also ")": split behind it.
    fields = stat[stat.rindex(")") + 2 :].split()
    return None if fields[0] in "ZX" else fields[19]


def here() -> tuple[str, str]:
    """Name this boot and this pid namespace; both are empty where the system has no such thing."""
    if not _BOOT_ID.exists():
        return "", ""
    return _BOOT_ID.read_text().strip(), str(Path("/proc/self/ns/pid").readlink())
