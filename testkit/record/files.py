"""Where the records of a project's runs lie, and which of them may go."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING, Final

from testkit.system.project_folder import folder_in

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FOLDER", "is_being_written", "latest", "records", "remove_old"]

FOLDER: Final = "runs"
_SUFFIX: Final = ".jsonl"


def records(root: Path) -> list[Path]:
    """Return the records of a project, newest first; none where it has none."""
    folder = folder_in(root, FOLDER)
    try:
        names = os.listdir(folder)  # noqa: PTH208 - names are sorted, not paths
    except OSError:
        return []
    # A name begins with the time, in UTC.
    return [folder / name for name in sorted(names, reverse=True) if name.endswith(_SUFFIX)]


def latest(root: Path) -> Path | None:
    """Return the newest record, None where there is none."""
    found = records(root)
    return found[0] if found else None


def is_being_written(path: Path) -> bool:
    """Return whether a run that lives writes this record: it holds a lock on the file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def remove_old(root: Path, *, keep: int) -> None:
    """Remove all but the newest ``keep`` records; one that is being written stays, too."""
    for path in records(root)[keep:]:
        if not is_being_written(path):
            with contextlib.suppress(OSError):
                path.unlink()
