"""Private places to work in: a server's directory, and one for the making of a cluster."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from testkit.servers.ownership.verdicts import DEAD, IN_USE, UNJUDGED, State
from testkit.system.files import ordinary_user, ram_root, scratch_root
from testkit.system.processes import here, identify

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "DRAFT",
    "ROOM",
    "discard",
    "made_by",
    "maker",
    "remove_tree",
    "server_directory",
    "sweep",
    "workshop",
    "workshop_prefix",
]

ROOM: Final = 256 << 20  # bytes: a cluster has 40 MB, and a suite writes
_OTHERS_SECONDS: Final = 5.0  # that somebody else who writes into what is removed may go on
DRAFT: Final = ".draft-"  # how the name of what the cache does not hold yet begins


@contextlib.contextmanager
def workshop() -> Iterator[tuple[Path, bool]]:
    """Give a private directory for the time of the work, in RAM where there is room."""
    ram, _ = ram_root(wanted=ROOM)
    root = ram or scratch_root()
    prefix = workshop_prefix()
    sweep(root, prefix)
    folder = Path(tempfile.mkdtemp(prefix=f"{prefix}{maker()}-", dir=root))
    try:
        yield server_directory(folder), ram is not None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def workshop_prefix() -> str:
    """Return how the name of this user's workshops begins; their ``maker`` follows."""
    return f"testkit-build-{os.geteuid()}-"


def maker() -> str:
    """Return our identity as a part of a name, for a later ``sweep``."""
    me = identify(os.getpid())
    assert me is not None
    return f"{me.pid}-{me.started}-{_place()}"


def _place() -> str:
    """Return a short name for this boot and pid namespace."""
    return hashlib.sha256(" ".join(here()).encode()).hexdigest()[:8]


def made_by(name: str, prefix: str) -> tuple[int | None, State]:
    """Return the pid in a name of ``prefix``, ``maker`` and more, and the state of that maker."""
    pid, started, place = [*name.removeprefix(prefix).split("-"), "", "", ""][:3]
    if not (pid.isascii() and pid.isdecimal()):
        return None, UNJUDGED
    # A pid of another container means nothing here: its own next build will look.
    if place != _place():
        return int(pid), UNJUDGED
    found = identify(int(pid))
    return int(pid), IN_USE if found is not None and found.started == started else DEAD


def sweep(folder: Path, prefix: str) -> None:
    """Remove what makers left that were killed; a name of another form is not ours."""
    for left in folder.glob(f"{prefix}*"):
        if made_by(left.name, prefix)[1] == DEAD:
            shutil.rmtree(left, ignore_errors=True)


def discard(directory: Path) -> None:
    """Remove a directory that named its owner; a name of ours stays on it until the last file.

    Else a kill in between would leave one that names nobody. Raises OSError.
    """
    gone = directory.with_name(f"{workshop_prefix()}{maker()}-{directory.name}")
    directory.rename(gone)
    remove_tree(gone)


def remove_tree(path: Path) -> None:
    """Remove a directory in which somebody else may be removing or writing, too. Raises OSError."""
    deadline = time.monotonic() + _OTHERS_SECONDS
    while os.path.lexists(path):
        try:
            shutil.rmtree(path)
        except FileNotFoundError:
            pass  # a file that the other one was quicker with
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) or time.monotonic() > deadline:
                raise


def server_directory(path: Path) -> Path:
    """Make a directory of mode 0700 that belongs to the user that servers run as."""
    path.mkdir(mode=0o700, exist_ok=True)
    user = ordinary_user()
    if user is not None:
        os.chown(path, user, user)
    return path
