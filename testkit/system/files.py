"""Directories that are private, locks between processes, and where data may lie in RAM."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from testkit.core.messages import TestkitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "can_run",
    "locked",
    "open_to_all",
    "ordinary_user",
    "private_directory",
    "publish",
    "ram_root",
    "scratch_root",
    "tail",
    "write_private",
]

_RAM: Final = Path("/dev/shm")  # noqa: S108 - the RAM disk; directories in it are made 0700
_NOBODY: Final = 65534


def private_directory(path: Path, *, mode: int = 0o700) -> Path:
    """Make the directory and its parents, and answer its path.

    Raises TK105 where it is a link, no directory, or belongs to somebody else; OSError where it
    cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=mode)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise TestkitError("TK105", path=path, problem="is no directory of its own")
    if found.st_uid != os.geteuid():
        raise TestkitError("TK105", path=path, problem=f"belongs to user id {found.st_uid}")
    if found.st_mode & 0o022:
        raise TestkitError("TK105", path=path, problem="can be written by others")
    path.chmod(mode)
    return path


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read; it appears whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


@contextlib.contextmanager
def locked(path: Path, *, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold an exclusive lock on ``path`` between processes; it ends with the process at the latest.

    ``waiting`` is called once when the lock could not be had within a second.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        _wait_for_lock(descriptor, waiting)
        yield
    finally:
        os.close(descriptor)


def _wait_for_lock(descriptor: int, waiting: Callable[[], None] | None) -> None:
    started = time.monotonic()
    while waiting is not None and time.monotonic() - started < 1:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(0.005)
    if waiting is not None:
        waiting()
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def scratch_root() -> Path:
    """Return the directory for temporary files, one that the servers' user can reach."""
    place = Path(tempfile.gettempdir())
    if ordinary_user() is not None and not open_to_all(place):
        return Path("/tmp")  # noqa: S108 - directories in it are made private
    return place


def ram_root(*, wanted: int) -> tuple[Path | None, str]:
    """Return the RAM disk where it has ``wanted`` bytes free, and a few words for the header."""
    if not (sys.platform == "linux" and os.access(_RAM, os.W_OK | os.X_OK)):
        return None, "data on disk: no RAM disk here"
    free = shutil.disk_usage(_RAM).free
    if free < wanted:
        return None, f"data on disk: {_RAM} has {free >> 20} MB free, {wanted >> 20} MB are wanted"
    return _RAM, "data in RAM"


def open_to_all(path: Path) -> bool:
    """Return whether any user may pass through this path."""
    return all(p.stat().st_mode & stat.S_IXOTH for p in (path, *path.resolve().parents))


def ordinary_user() -> int | None:
    """Return the user id that servers run as: None for "as we are", ``nobody`` for root.

    Postgres refuses to run as root.
    """
    return _NOBODY if os.geteuid() == 0 else None


def can_run(program: Path) -> bool:
    """Return whether the user that servers run as may start this program."""
    if ordinary_user() is None:
        return os.access(program, os.X_OK)
    return open_to_all(program.parent) and bool(program.stat().st_mode & stat.S_IXOTH)


def publish(draft: Path, final: Path) -> None:
    """Rename a finished directory to the name under which others look for it."""
    draft.rename(final)


def tail(path: Path, *, lines: int = 15) -> str:
    """Return the end of a log, or words that say that there is none."""
    try:
        text = path.read_text("utf-8", errors="replace").strip()
    except OSError as error:
        return f"(no log: {error.strerror})"
    return "\n".join(text.splitlines()[-lines:]) or "(the log is empty)"
