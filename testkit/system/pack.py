"""A directory tree as one file: quick to write on a slow disk, quick to unfold into RAM.

A cluster has 1,300 small files. Written to a disk one by one they take 0.1 to 2 seconds; as one
file, 0.05. Layout: the contents, one behind the other; an index (JSON); its length (8 bytes).
"""

from __future__ import annotations

import json
import os
import stat
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Pack", "pack_tree"]

_LENGTH: Final = 8
_FOLDER: Final = -1  # in place of a size


@dataclass(frozen=True, slots=True)
class Pack:
    """A packed tree; ``entries`` are (relative path, offset, size), a folder before its files."""

    file: Path
    entries: tuple[tuple[str, int, int], ...]

    @classmethod
    def read(cls, file: Path) -> Pack:
        """Return the pack in a file; raises FileNotFoundError, ValueError where it is damaged."""
        with file.open("rb") as packed:
            packed.seek(-_LENGTH, os.SEEK_END)
            length = int.from_bytes(packed.read(_LENGTH), "big")
            packed.seek(-_LENGTH - length, os.SEEK_END)
            entries = json.loads(packed.read(length))
        return cls(file, tuple((name, offset, size) for name, offset, size in entries))

    def unfold(
        self, target: Path, *, owner: int | None, wanted: Callable[[str], bool] = lambda _: True
    ) -> None:
        """Write the wanted entries below ``target``, which is made if it is not there.

        Folders get mode 0700 and files 0600; all belong to ``owner`` (a user id), or to us.
        """
        root = os.fspath(target)
        if not os.path.isdir(root):  # noqa: PTH112 - texts, not Paths: a third of the time
            _make_folder(root, owner)
        source = os.open(self.file, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            for name, offset, size in self.entries:
                if not wanted(name):
                    continue
                if size == _FOLDER:
                    _make_folder(f"{root}/{name}", owner)
                else:
                    _write_file(f"{root}/{name}", source, offset, size, owner)
        finally:
            os.close(source)


def pack_tree(source: Path, file: Path) -> None:
    """Write a tree of folders and plain files into one new file of mode 0600.

    Raises OSError for a symbolic link or anything else that is neither.
    """
    target = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(target, "wb") as packed:
        entries: list[tuple[str, int, int]] = []
        for path in sorted(source.rglob("*")):
            name, mode = str(path.relative_to(source)), path.lstat().st_mode
            if stat.S_ISDIR(mode):
                entries.append((name, 0, _FOLDER))
            elif stat.S_ISREG(mode):
                content = path.read_bytes()
                entries.append((name, packed.tell(), len(content)))
                packed.write(content)
            else:
                raise OSError(f"{path} is neither a folder nor a plain file")
        index = json.dumps(entries).encode()
        packed.write(index)
        packed.write(len(index).to_bytes(_LENGTH, "big"))


def _make_folder(path: str, owner: int | None) -> None:
    os.mkdir(path, 0o700)  # noqa: PTH102
    if owner is not None:
        os.chown(path, owner, owner)


def _write_file(path: str, source: int, offset: int, size: int, owner: int | None) -> None:
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        if owner is not None:
            os.fchown(target, owner, owner)
        end = offset + size
        while offset < end:
            if sys.platform == "linux":
                offset += os.sendfile(target, source, offset, end - offset)
            else:
                offset += os.write(target, os.pread(source, end - offset, offset))
    finally:
        os.close(target)
