"""Counters that all processes of a project move on, one file each."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["advance", "file_name", "random_place"]

_SUFFIX: Final = ".counter"
_WIDTH: Final = 20  # digits, always as many: a shorter number leaves nothing of a longer one
_PLAIN: Final = re.compile(r"[a-z0-9_][a-z0-9_.]{0,99}")


def advance(folder: Path, name: str, choose: Callable[[int], tuple[int, int]]) -> int:
    """Answer the first of what ``choose`` makes of the counter's place; the second is its new one.

    Nobody else moves it meanwhile. A new counter, and one that holds no number, begins at a random
    place. Raises OSError where the file cannot be written.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    file = os.open(folder / file_name(name), flags, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            written = os.pread(file, _WIDTH, 0)
            place = int(written) if written.isdigit() else random_place()
            taken, following = choose(place)
            os.pwrite(file, f"{following:0{_WIDTH}}".encode("ascii"), 0)
        finally:
            # A child process may have a copy of the file, which would keep the lock.
            fcntl.flock(file, fcntl.LOCK_UN)
    finally:
        os.close(file)
    return taken


def random_place() -> int:
    """Return where to begin."""
    return int.from_bytes(os.urandom(7), "big")


def file_name(name: str) -> str:
    """Return the name of a counter's file: its own where it is plain, else a hash of it."""
    if not _PLAIN.fullmatch(name):
        name = "-" + hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:32]
    return f"{name}{_SUFFIX}"
