"""The directory that the processes of one run share, and what killed runs left of theirs."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from testkit.servers.ownership.records import (
    OWNER,
    is_ours,
    owner_of,
    owner_text,
    run_prefix,
    state_of,
)
from testkit.servers.ownership.verdicts import DEAD
from testkit.servers.ownership.workshop import discard, maker, workshop_prefix
from testkit.system.files import (
    locked,
    ordinary_user,
    private_directory,
    ram_root,
    scratch_root,
    write_private,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.system.processes import ProcessIdentity

__all__ = ["RunDirectory", "run_directories", "sign"]


_KEEPERS_SECONDS: Final = 5.0  # a container takes half a second to go, more on a busy machine


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """``testkit-<user>-<token>`` among the temporary files; data on the RAM disk has this name too.

    ``owner`` is the run's controller: when it is gone, everything of that name may go.
    """

    token: str
    owner: ProcessIdentity

    @property
    def name(self) -> str:
        """Return the name that everything of the run carries."""
        return f"{run_prefix()}{self.token}"

    @property
    def path(self) -> Path:
        """Return the directory, which may not exist yet."""
        return scratch_root() / self.name

    def make(self) -> Path:
        """Make it, private; the first call also sweeps what killed runs of this user left."""
        # As root the servers' user must pass through to its own directory.
        mode = 0o700 if ordinary_user() is None else 0o711
        new = not self.path.exists()
        if new:
            with contextlib.suppress(FileExistsError):  # another process of the run was quicker
                self.place(self.path, mode=mode, user=None)
        private_directory(self.path, mode=mode)
        if new:
            _sweep()
        return self.path

    def place(self, path: Path, *, mode: int, user: int | None) -> None:
        """Make a directory that is signed as soon as it has its name: a kill leaves none unsigned.

        It belongs to ``user``, if not to us. Raises FileExistsError where something is there.
        """
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        draft = Path(tempfile.mkdtemp(prefix=f"{workshop_prefix()}{maker()}-", dir=path.parent))
        try:
            self.sign(draft)
            draft.chmod(mode)
            if user is not None:
                os.chown(draft, user, user)
            try:
                draft.rename(path)
            except OSError as error:
                # One that is there is not empty: it is signed.
                if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                    raise FileExistsError(*error.args, str(path)) from error
                raise
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise

    def sign(self, directory: Path) -> None:
        """Write the owner's identity into a directory: the proof that a later sweep wants."""
        sign(directory, self.owner)

    def places(self) -> list[Path]:
        """Return every directory of that name that there is."""
        ram, _ = ram_root(wanted=0)
        roots = [self.path, *([ram / self.name] if ram is not None else [])]
        return [path for path in roots if path.is_dir()]

    def locked(self, waiting: Callable[[], None]) -> contextlib.AbstractContextManager[None]:
        """Hold the run's lock."""
        return locked(self.make() / "lock", waiting=waiting)

    def remove(self, *, patience: float = _KEEPERS_SECONDS) -> None:
        """Remove it, unless a server's keeper still has a directory in it after so many seconds.

        Workers of xdist, or the keepers of one that crashed, may be cleaning up just now.
        """
        deadline = time.monotonic() + patience
        while self._holds_directories() and time.monotonic() < deadline:
            time.sleep(0.01)
        if not self._holds_directories():
            shutil.rmtree(self.path, ignore_errors=True)

    def _holds_directories(self) -> bool:
        return any(path.is_dir() for path in self.path.glob("*"))


def sign(directory: Path, owner: ProcessIdentity) -> None:
    """Write the identity of its owner into a directory."""
    write_private(directory / OWNER, owner_text(owner))


def run_directories() -> list[Path]:
    """Return the directories of all runs of this user."""
    return [path for path in scratch_root().glob(f"{run_prefix()}*") if is_ours(path)]


def _sweep() -> None:
    """Remove directories whose owner is gone; their servers went with it (see keeper.py)."""
    ram, _ = ram_root(wanted=0)
    for root in (scratch_root(), ram):
        for left in root.glob(f"{run_prefix()}*") if root is not None else ():
            if state_of(owner_of(left)) == DEAD:
                with contextlib.suppress(OSError):  # another run sweeps, too
                    discard(left)
