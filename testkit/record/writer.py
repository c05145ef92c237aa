"""A record as it is written: a line per fact, in the file as soon as it is told."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
from typing import TYPE_CHECKING, Any, Final

from testkit.record.files import FOLDER
from testkit.system.project_folder import make_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["RecordWriter"]

# Bound now: a report is written while the test's own stand-ins for them may be in place.
_close, _fstat, _getpid, _write = os.close, os.fstat, os.getpid, os.write

_encode: Final = json.JSONEncoder(
    ensure_ascii=True, separators=(",", ":"), check_circular=False
).encode


class RecordWriter:
    """Writes one record; the lock on its file says that the run lives.

    Only the process that began it writes: a test that forks leaves a child with the same file.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._process = _getpid()
        self._file = _identity(descriptor)

    @classmethod
    def begin(cls, root: Path, *, started: str, run: str) -> RecordWriter:
        """Make the file ``<started>-<run>.jsonl`` in the project's folder of records.

        ``started`` is a time whose text sorts. Raises OSError where it cannot be made, TK105 where
        the folder is a link or somebody else's.
        """
        path = make_folder(root, FOLDER) / f"{started}-{run}.jsonl"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return cls(path, descriptor)

    def write(self, line: Mapping[str, Any]) -> None:
        """Write one line, whole. Raises OSError where the disk takes no more.

        A test that closes all descriptors closes this one; the next file that it opens has the
        same number then, and must not get the line. So that is looked at first.
        """
        if _getpid() != self._process:
            return
        data = f"{_encode(line)}\n".encode()
        if _identity(self._descriptor) != self._file:
            raise OSError(errno.EBADF, "a test closed the file of the record")
        while data:
            data = data[_write(self._descriptor, data) :]

    def close(self) -> None:
        """Let go of the file and its lock; twice is once. What a test closed is left alone."""
        with contextlib.suppress(OSError):
            if self._descriptor >= 0 and _identity(self._descriptor) == self._file:
                _close(self._descriptor)
        self._descriptor = -1


def _identity(descriptor: int) -> tuple[int, int]:
    found = _fstat(descriptor)
    return found.st_dev, found.st_ino
