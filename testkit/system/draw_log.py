"""The log of what processes drew: one file for each token, ``<token>.log``, of lines of JSON.

Texts hold token and count, so that one line for each test does: from which count on it drew.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["DrawLog", "LoggedCount", "LoggedNumber", "LoggedProcess", "prune", "read_logs"]

_SUFFIX: Final = ".log"
#: Of how many processes the logs stay, and how many bytes; those of running processes do anyway.
MOST_LOGS: Final = 50
MOST_BYTES: Final = 10_000_000
_MOST_OF_NUMBERS: Final = 5_000_000


@dataclass(frozen=True, slots=True)
class LoggedCount:
    """Who drew texts from a count on; ``at`` is a Unix time."""

    first: int
    doing: str
    at: float


@dataclass(frozen=True, slots=True)
class LoggedNumber:
    """Who drew a number of a space; ``text`` is how it was written."""

    space: str
    number: int
    text: str
    doing: str
    at: float


@dataclass(slots=True)
class LoggedProcess:
    """One log, in the order in which it was written; ``last`` is 0 where the process was killed."""

    token: str
    worker: str = ""
    counts: list[LoggedCount] = field(default_factory=list)
    numbers: list[LoggedNumber] = field(default_factory=list)
    last: int = 0

    def drawer(self, count: int) -> LoggedCount | None:
        """Return who drew this count, None where nobody did."""
        if self.last and count > self.last:
            return None
        return next((each for each in reversed(self.counts) if each.first <= count), None)


class DrawLog:
    """The log of one token, while its process runs.

    Raises FileExistsError where there is one already, OSError where none can be written.
    """

    def __init__(self, folder: Path, token: str, worker: str) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.open(folder / f"{token}{_SUFFIX}", flags, 0o600)
        self._size = 0
        opened = os.fstat(self._file)
        self._identity = opened.st_dev, opened.st_ino
        try:
            # By which ``prune`` sees that somebody still writes here.
            fcntl.flock(self._file, fcntl.LOCK_SH)
            self._write({"worker": worker})
        except OSError:
            self.close()
            raise

    def note_count(self, first: int, doing: str) -> None:
        """Write who draws from this count on. Raises OSError."""
        self._write({"from": first, "doing": doing, "at": self._now()})

    def note_number(self, space: str, number: int, text: str, doing: str) -> None:
        """Write who drew a number, until there is too much of it. Raises OSError."""
        if self._size < _MOST_OF_NUMBERS:
            facts = {"space": space, "number": number, "text": text, "doing": doing}
            self._write(facts | {"at": self._now()})

    def note_end(self, last: int) -> None:
        """Write the last count that was drawn. Raises OSError."""
        self._write({"last": last})

    def close(self) -> None:
        """Write no more; a child process closes its copy so. A file that is gone stays so."""
        with contextlib.suppress(OSError):
            if self._is_ours():
                os.close(self._file)

    def _is_ours(self) -> bool:
        # A test may have closed every file of the process, and its number be somebody else's now.
        found = os.fstat(self._file)
        return (found.st_dev, found.st_ino) == self._identity

    def _write(self, facts: dict[str, Any]) -> None:
        # The end of line comes first: what a full disk cut off does not spoil the line behind it.
        line = f"\n{json.dumps(facts)}".encode("ascii")
        if not self._is_ours():
            raise OSError("the file was closed by somebody else")
        if (written := os.write(self._file, line)) < len(line):
            raise OSError(f"{written} bytes of {len(line)} were written")
        self._size += len(line)

    def _now(self) -> float:
        # The file's own time: a test may have stopped the clock.
        os.utime(self._file)
        return os.fstat(self._file).st_mtime


def prune(folder: Path) -> None:
    """Remove logs, the oldest first, until there is room for another one."""
    bytes_so_far = 0
    for place, (path, size) in enumerate(_newest_first(folder), start=1):
        bytes_so_far += size
        if place >= MOST_LOGS or (place > 1 and bytes_so_far > MOST_BYTES):
            with contextlib.suppress(OSError):
                _remove_unused(path)


def read_logs(folder: Path) -> Iterator[LoggedProcess]:
    """Yield every log that there is, the newest first; lines that cannot be read are left out."""
    for path, _ in _newest_first(folder):
        with contextlib.suppress(OSError):
            yield _read(path)


def _newest_first(folder: Path) -> list[tuple[Path, int]]:
    found = []
    for path in folder.glob(f"*{_SUFFIX}"):
        with contextlib.suppress(OSError):  # somebody else may be removing it
            facts = path.lstat()
            found.append((facts.st_mtime, path, facts.st_size))
    return [(path, size) for _, path, size in sorted(found, reverse=True)]


def _remove_unused(path: Path) -> None:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    finally:
        os.close(file)


def _read(path: Path) -> LoggedProcess:
    process = LoggedProcess(path.name.removesuffix(_SUFFIX))
    for line in path.read_text("utf-8", errors="replace").split("\n"):
        # A full disk may have cut it; another version may have written it.
        with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):
            _take(process, json.loads(line))
    return process


def _take(process: LoggedProcess, facts: dict[str, Any]) -> None:
    if "worker" in facts:
        process.worker = str(facts["worker"])
    elif "last" in facts:
        process.last = int(facts["last"])
    elif "from" in facts:
        first, at = int(facts["from"]), float(facts["at"])
        process.counts.append(LoggedCount(first, str(facts["doing"]), at))
    else:
        space, text, doing = (str(facts[name]) for name in ("space", "text", "doing"))
        number, at = int(facts["number"]), float(facts["at"])
        process.numbers.append(LoggedNumber(space, number, text, doing, at))
