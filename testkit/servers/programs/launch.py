"""Starting a server under a keeper, waiting until it is ready, and stopping it."""

from __future__ import annotations

import contextlib
import errno
import marshal
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from testkit.core.messages import TestkitError
from testkit.servers.ownership.workshop import maker, workshop_prefix
from testkit.servers.programs import keeper
from testkit.system.files import tail
from testkit.system.processes import ProcessIdentity, identify, is_alive

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["ORDER", "KeptServer", "PreparedKeeper", "not_ready", "stop_all", "wait_until"]

#: What a process that keeps a container was told, in its directory.
ORDER: Final = "order.json"
_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 5.0
_WATCHED: Final = sys.platform != "linux"  # which has PR_SET_PDEATHSIG
_LOOK_SECONDS: Final = 1.0  # between two looks whether a disk is full
_LEAST_BYTES: Final = 32 << 10  # with less than that free nothing starts
_NO_ROOM: Final = os.strerror(errno.ENOSPC)
# What a server's program sees of the environment.
_PLAIN: Final = {"LC_ALL": "C.UTF-8", "TZ": "UTC", "PATH": os.defpath}
# The keepers that are our children: they must be reaped when they end.
_CHILDREN: Final[set[int]] = set()


@dataclass(frozen=True, slots=True)
class KeptServer:
    """A running server: the identity of its keeper, its directory, and all that goes with it."""

    what: str
    keeper: ProcessIdentity
    directory: Path
    remove: tuple[Path, ...] = ()

    @property
    def log(self) -> Path:
        """Return the server's log file."""
        return self.directory / "log"

    def has_ended(self) -> str | None:
        """Return how the server ended, or None while it runs."""
        with contextlib.suppress(OSError):
            return f"exit code {(self.directory / 'ended').read_text().strip()}"
        if is_alive(self.keeper):
            return None
        # A test may have put a file system of its own before ours, and with it another /proc.
        blind = not self.directory.exists() and _has_process(self.keeper.pid)
        return None if blind else "its keeper is gone"

    @property
    def killed(self) -> bool:
        """Return whether what the keeper runs was ended by a signal."""
        return (self.has_ended() or "").startswith("exit code -")

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any] | None) -> KeptServer | None:
        """Return what ``dataclasses.asdict`` and JSON made of one."""
        if facts is None:
            return None
        keeper = ProcessIdentity(**facts["keeper"])
        remove = tuple(map(Path, facts["remove"]))
        return cls(facts["what"], keeper, Path(facts["directory"]), remove)

    def stay(self) -> None:
        """Let it run until it is stopped, whatever becomes of its owners."""
        os.kill(self.keeper.pid, signal.SIGUSR1)
        while not (self.directory / "stays").exists() and is_alive(self.keeper):
            time.sleep(0.002)

    def tell(self, word: Literal["pause", "resume", "kill", "start"], *but: int) -> None:
        """Have the keeper stop, resume, kill or start the server with its children; wait for that.

        A pause passes over the children ``but``. A server that was killed so has not ended: it is
        to be started again. Raises ProcessLookupError where the server or its keeper is gone.
        """
        told = self.directory / "told"
        new = told.with_name("told.new")
        new.write_text(" ".join(map(str, (word, *but))))
        new.rename(told)
        os.kill(self.keeper.pid, signal.SIGUSR2)
        while told.exists():
            if (reason := self.has_ended()) is not None:
                told.unlink(missing_ok=True)
                raise ProcessLookupError(errno.ESRCH, f"{self.what} is gone: {reason}")
            time.sleep(0.0005)

    def clear(self) -> None:
        """Remove what a keeper left that was killed; call it when the server has been stopped."""
        for path in self.remove:
            shutil.rmtree(path, ignore_errors=True)


def _has_process(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def stop_all(servers: Sequence[KeptServer]) -> None:
    """End these servers and wait until they and their directories are gone. Safe to call twice."""
    alive = [server for server in servers if is_alive(server.keeper)]
    for server in alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(server.keeper.pid, signal.SIGTERM)
    for server in alive:
        if server.keeper.pid in _CHILDREN:
            _CHILDREN.discard(server.keeper.pid)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(server.keeper.pid, 0)
        while is_alive(server.keeper):
            time.sleep(0.002)


class PreparedKeeper:
    """A keeper whose interpreter is starting; it waits for its order.

    Prepare it before slow work (a copy of a cluster): both go on at the same time. ``label`` shows
    in the list of processes.
    """

    def __init__(self, label: str) -> None:
        self._ordered = False
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", keeper.__file__, label],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of a keeper that got no order; it ends by itself."""
        if not self._ordered:
            self._process.communicate()

    @property
    def identity(self) -> ProcessIdentity:
        """Return who the keeper is."""
        pid = self._process.pid
        return identify(pid) or ProcessIdentity(pid, "", "", "")

    def launch(
        self,
        what: str,
        command: Sequence[str],
        *,
        directory: Path,
        owners: Sequence[ProcessIdentity],
        stop: signal.Signals,
        remove: Sequence[Path],
        keep: bool = False,
        user: int | None = None,
        environment: Mapping[str, str] = _PLAIN,
        patience: float = _STOP_SECONDS,
        watched: bool = _WATCHED,
    ) -> KeptServer:
        """Start ``command`` in ``directory``; it runs until stopped or until an owner is gone.

        Then ``remove`` goes, and the parent of ``directory`` when no other directory is left in it
        (but not for a server that ended by itself: the others may be starting); with ``keep`` only
        when an owner is gone. ``user`` is the user id that it runs as, if not ours; ``patience`` is
        how many seconds it gets to stop. ``watched``: a second process ends it when the keeper
        itself is killed; elsewhere the kernel does.
        """
        order = {
            "owners": [[owner.pid, owner.started] for owner in owners],
            "command": list(command),
            "directory": str(directory),
            "log": str(directory / "log"),
            "user": user,
            "environment": dict(environment),
            "stop": int(stop),
            "patience": patience,
            "remove": [[str(path), _doomed(path, directory.parent)] for path in remove],
            "tidy": str(directory.parent),
            "keep": keep,
            "watched": watched,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._ordered = True
        with self._process.stdin as to, self._process.stdout as back:
            to.write(marshal.dumps(order))
            to.close()
            back.read(8)  # "started", or the end of a keeper that could not
        pid = self._process.pid
        _CHILDREN.add(pid)
        # A keeper may outlive us (a worker that started the run's Postgres): Popen would warn.
        self._process.returncode = 0
        return KeptServer(what, self.identity, directory, tuple(remove))


def _doomed(path: Path, tidy: Path) -> str | None:
    """Return the name under which a directory is removed; None within the run's own directory."""
    if path.parent == tidy:
        return None
    return str(path.with_name(f"{workshop_prefix()}{maker()}-{path.name}"))


def wait_until(
    server: KeptServer,
    ready: Callable[[], bool],
    *,
    seconds: float = _START_SECONDS,
    problem: Callable[[], TestkitError | None] = lambda: None,
    hopeless: Callable[[], str | None] = lambda: None,
) -> None:
    """Return when ``ready`` answers True; stop the server and raise TK101 where it never does.

    ``problem`` may know a better error for a server that ended, ``hopeless`` a reason to wait no
    longer for one that has not. Raises OSError for a full disk.
    """
    began = looked = time.monotonic()
    while not ready():
        reason, now = server.has_ended(), time.monotonic()
        if reason is None and now - began > seconds:
            reason = f"not ready after {seconds:.0f} s"
        reason = reason or hopeless()
        if reason is None and now - looked > _LOOK_SECONDS:
            looked = now
            reason = "not ready" if _full_disk(server) is not None else None
        if reason is not None:
            error = problem() or not_ready(server, reason)
            stop_all([server])
            raise error
        time.sleep(0.001)


def not_ready(server: KeptServer, reason: str) -> Exception:
    """Return TK101 with the end of the server's log or, where a disk is full, the OSError of that.

    Call it before the server is stopped.
    """
    log, full = tail(server.log), _full_disk(server)
    # A keeper that could not even write how its server ended has removed everything: only a disk
    # that was full makes it do that.
    if full is None and (_NO_ROOM in f"{reason}\n{log}" or not server.directory.exists()):
        full = server.directory
    if full is not None:
        return OSError(errno.ENOSPC, _NO_ROOM, str(full))
    return TestkitError(
        "TK101", server=server.what, reason=reason, directory=server.directory, log=log
    )


def _full_disk(server: KeptServer) -> Path | None:
    """Return the directory of the server whose disk takes nothing more, None where there is none.

    A server on such a disk may be unable to say so in its log, or to write that it is ready.
    """
    for path in (server.directory, *server.remove):
        with contextlib.suppress(OSError):
            if shutil.disk_usage(path).free < _LEAST_BYTES:
                return path
    return None
