"""A file of a run as bytes in order: unpacked, bounded, told apart by how it begins."""

from __future__ import annotations

import bz2
import gzip
import lzma
import stat
import zlib
from typing import TYPE_CHECKING, Final, Literal, Self

from testkit.core.messages import TestkitError

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Form", "Opened", "form_of", "opened"]

Form = Literal["record", "junit", "reportlog"]
_HEAD: Final = 65_536
_PIECE: Final = 262_144
_MOST_BYTES: Final = 2 << 30
_LONGEST_LINE: Final = 8 << 20
_PACKED: Final = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00")
_BROKEN: Final = (OSError, EOFError, zlib.error, lzma.LZMAError)
_MARKS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


class Opened:
    """The bytes of one file; ``notes`` say what of it could not be read, once it was read.

    Closes the file at its end or at the end of its ``with`` block.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: list[str] = []
        self._file = _unpacked(path)
        self._read = 0
        self.head = self._piece(_HEAD)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes from the first on; ends early, with a note, where they are broken."""
        piece = self.head
        while piece:
            yield piece
            piece = self._piece(_PIECE)

    def lines(self) -> Iterator[bytes]:
        """Yield whole lines and what follows the last one; a line over 8 MiB is left out."""
        rest: list[bytes] = []
        held = 0
        for piece in self.pieces():
            first, *others = piece.split(b"\n")
            held += len(first)
            if held <= _LONGEST_LINE:
                rest.append(first)
            if others:
                yield self._line(rest, held)
                yield from others[:-1]
                rest, held = [others[-1]], len(others[-1])
        if held:
            yield self._line(rest, held)

    def _line(self, parts: list[bytes], held: int) -> bytes:
        if held > _LONGEST_LINE:
            self.notes.append(f"{self.path.name}: a line of {held >> 20} MiB was left out.")
            return b""
        return b"".join(parts)

    def _piece(self, size: int) -> bytes:
        try:
            piece = self._file.read(size)
        except _BROKEN as error:
            what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            self.notes.append(f"{self.path.name} could be read only in part ({what}).")
            return b""
        self._read += len(piece)
        if self._read > _MOST_BYTES:
            self.notes.append(
                f"{self.path.name} was read up to {_MOST_BYTES >> 30} GiB, no further."
            )
            return b""
        return piece


def opened(path: Path) -> Opened:
    """Open a file of a run. Raises TK700 where it is none that can be read at all."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise TestkitError("TK700", path=path, problem=_no_file(mode))
        return Opened(path)
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or str(error)
        raise TestkitError("TK700", path=path, problem=problem) from error


def form_of(source: Opened) -> Form:
    """Tell what the file holds by its content. Raises TK701 for an empty one, TK702 else."""
    head = source.head
    for mark in _MARKS:
        head = head.removeprefix(mark)
    head = head.replace(b"\0", b"").lstrip() if source.head.startswith(_MARKS) else head.lstrip()
    if not head:
        problem = source.notes[0] if source.notes else "it is empty."
        raise TestkitError("TK701", path=source.path, problem=problem)
    if head.startswith(b"<") and (b"<testsuite" in head or b"<testcase" in head or _prolog(head)):
        return "junit"
    if head.startswith(b"{"):
        first = head.partition(b"\n")[0]
        if b'"$report_type"' in first:
            return "reportlog"
        if b'"kind"' in first:
            return "record"
        if b'"$report_type"' in head:
            return "reportlog"
    raise TestkitError("TK702", path=source.path, beginning=_beginning(head))


def _prolog(head: bytes) -> bool:
    """Tell whether no element has begun yet, as with a long DTD: its reader will say more."""
    return head.startswith((b"<?xml", b"<!")) and (
        b"<!ENTITY" in head or len(head) >= _HEAD or not _has_element(head)
    )


def _has_element(head: bytes) -> bool:
    return any(part[:1].isalpha() for part in head.split(b"<")[1:])


def _beginning(head: bytes) -> str:
    text = head[:40].decode("utf-8", "replace")
    return "".join(sign if sign.isprintable() else "·" for sign in text)


def _no_file(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "it is a directory"
    if stat.S_ISFIFO(mode):
        return "it is a pipe, which cannot be read twice"
    return "it is no ordinary file"


def _unpacked(path: Path) -> io.BufferedIOBase | gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile:
    file = path.open("rb")
    head = file.read(6)
    file.seek(0)
    if not head.startswith(_PACKED):
        return file
    file.close()
    if head.startswith(_PACKED[0]):
        return gzip.open(path)
    return bz2.open(path) if head.startswith(_PACKED[1]) else lzma.open(path)
