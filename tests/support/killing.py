"""Killing runs at random moments: how often, whom, and what of them could be left."""

from __future__ import annotations

import os
import random
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import pytest

from tests.support.containers import containers_of
from tests.support.processes import children_of, command_lines
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    import subprocess
__all__ = ["NOBODY", "Kill", "RunToKill", "draw_kill", "repetitions"]

#: How often a run is killed on each road, by the mark of the session that does it: `nox -s slow`
#: with every change, `nox -s soak` at night. The only place to change it.
_TIMES: Final = {"slow": 1, "soak": 50}

Victim = Literal["controller", "worker", "group"]
NOBODY: Final = "nobody: it had ended"
VICTIMS: Final[tuple[Victim, ...]] = ("controller", "worker", "group")

_SHARED: Final = Path("/dev/shm")
# How execnet starts a worker of xdist.
_WORKER: Final = "sys.stdin.readline"


def repetitions() -> list[Any]:
    """Return rows of parameters: the number of a repetition, and how many its session has."""
    return [
        pytest.param(
            number,
            times,
            marks=getattr(pytest.mark, mark),
            id=f"{mark} {number + 1} of {times}",
        )
        for mark, times in _TIMES.items()
        for number in range(times)
    ]


@dataclass(frozen=True, slots=True)
class Kill:
    """Whom to kill, and when; ``share`` is the moment as a part of the run's whole duration.

    ``choice``, from 0 to 1, says which worker. The next run ``waits`` until nothing of the killed
    one runs, or begins in the middle of the cleaning up. The cache is ``warm`` or ``cold`` (empty).
    """

    victim: Victim
    share: float
    choice: float
    waits: bool
    cache: Literal["warm", "cold"]


def draw_kill(seed: object, road: str, number: int, times: int, attempt: int) -> Kill:
    """Return the same kill for the same arguments.

    The moments of ``times`` repetitions are spread: one in each of as many equal parts of a run.
    """
    dice = random.Random(f"{seed} {road} {number} {attempt}")
    first = random.Random(str(seed)).randrange(len(VICTIMS))
    return Kill(
        victim=VICTIMS[(number + first) % len(VICTIMS)],
        share=(number + dice.random()) / times,
        choice=dice.random(),
        waits=dice.random() < 0.5,
        cache="cold" if number % 2 else "warm",
    )


@dataclass
class RunToKill:
    """A run in a session of its own, and what it shows of itself, by which its leavings are found.

    ``mark`` is a word that stands in its environment and in nobody else's; ``scratch`` is where its
    temporary files go, and ``others`` the names there that belong to other runs.
    """

    process: subprocess.Popen[bytes]
    mark: str
    scratch: Path
    others: frozenset[str]
    cache: Path
    began: float = field(default_factory=time.monotonic)
    tokens: set[str] = field(default_factory=set)
    pids: set[int] = field(default_factory=set)
    segments: set[str] = field(default_factory=set)

    def wait_for(self, moment: float) -> float:
        """Wait so many seconds after the start, or until the run has ended; answer how many."""

        def arrived() -> bool:
            self._note_names()
            return self.process.poll() is not None or time.monotonic() - self.began >= moment

        wait_until(arrived, seconds=120)
        return time.monotonic() - self.began

    def kill(self, kill: Kill) -> str:
        """Send SIGKILL now, and answer to whom in words; a worker is waited for, if need be."""
        workers: list[int] = []

        def there() -> bool:
            self._note_names()
            workers[:] = sorted(self._workers())
            return bool(workers) or self.process.poll() is not None

        if kill.victim == "worker":
            wait_until(there, seconds=60)
        self._note_processes()
        if self.process.poll() is not None:
            return NOBODY
        if kill.victim == "worker":
            number = int(kill.choice * len(workers))
            os.kill(workers[number], signal.SIGKILL)
            return f"worker {number + 1} of {len(workers)}"
        if kill.victim == "group":
            os.killpg(self.process.pid, signal.SIGKILL)
        else:
            self.process.kill()
        return f"the {kill.victim}"

    def containers(self, client: Any) -> list[str]:
        """Return the names of the run's containers; ``client`` is Docker's, None for no Docker."""
        self._note_names()
        if client is None:
            return []
        return [name for token in self.tokens for name in containers_of(client, token)]

    def left(self, client: Any) -> list[str]:
        """Return what of the run is still there, in words; ``client`` as in ``containers``."""
        found = self.containers(client)
        self._note_processes()
        found += (f"process {pid}: {line}" for pid, line in self.processes().items())
        names = [f"-{token}" for token in self.tokens]
        # What a process makes carries its pid: workshops, drafts in the cache.
        names += [f"-{os.geteuid()}-{pid}-" for pid in self.pids]
        found += map(str, self._new_in(self.scratch))
        found += (str(p) for p in _SHARED.glob("*") if any(name in p.name for name in names))
        found += (path for path in self.segments if Path(path).exists())
        drafts = {f"draft-{pid}-" for pid in self.pids}
        found += (
            str(path)
            for path in (*self.cache.glob("clusters/.*"), *self.cache.glob("binaries/.*"))
            if any(name in path.name for name in drafts)
        )
        found += self._system_v()
        return found

    def _workers(self) -> list[int]:
        lines = {int(path.name): line for path, line in command_lines().items()}
        return [pid for pid in children_of(self.process.pid) if _WORKER in lines.get(pid, "")]

    def _new_in(self, folder: Path) -> list[Path]:
        return [path for path in folder.glob("testkit-*") if path.name not in self.others]

    def _note_names(self) -> None:
        self.pids |= {self.process.pid, *children_of(self.process.pid)}
        prefix = f"testkit-{os.geteuid()}-"
        for path in self._new_in(self.scratch):
            self.tokens.add(path.name.removeprefix(prefix))

    def _note_processes(self) -> None:
        """Note who belongs to the run, and which shared memory each of them has."""
        for pid in self.processes():
            self.pids.add(pid)
            try:
                maps = Path(f"/proc/{pid}/maps").read_text()
            except OSError:
                continue
            self.segments |= {
                line.split(maxsplit=5)[5]
                for line in maps.splitlines()
                if f" {_SHARED}/" in line and not line.endswith("(deleted)")
            }

    def processes(self) -> dict[int, str]:
        """Return the processes whose command line, folder or environment names the run."""
        self._note_names()
        words = [self.mark, *(f"-{token}" for token in self.tokens)]
        words += [f"build-{os.geteuid()}-{pid}-" for pid in self.pids]
        found = {}
        for path, line in command_lines().items():
            try:
                place = str((path / "cwd").readlink())
                environment = (path / "environ").read_bytes().decode(errors="replace")
            except OSError:  # it ended meanwhile, or is somebody else's
                continue
            text = f"{line}\n{place}\n{environment}"
            if any(word in text for word in words):
                found[int(path.name)] = line
        return found

    def _system_v(self) -> list[str]:
        """Return the shared memory of System V that processes of the run made."""
        lines = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
        return [
            f"shared memory {line.split()[1]} of process {line.split()[4]}"
            for line in lines
            if int(line.split()[4]) in self.pids
        ]
