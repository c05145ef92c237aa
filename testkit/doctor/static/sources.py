"""A file of Python as text, and written back in the way that it was written before."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import tokenize
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Source", "read_source", "write_bytes"]


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a file with plain ends of lines, and what its bytes are besides."""

    data: bytes
    text: str
    encoding: str

    @property
    def mixed(self) -> bool:
        """Return whether its lines end in more than one way: nothing could write it back."""
        windows, all_ends = self.data.count(b"\r\n"), self.data.count(b"\n")
        return windows not in {0, all_ends} or self.data.count(b"\r") != windows

    def with_text(self, text: str) -> bytes:
        """Return a text as this file's bytes: its encoding, mark and ends of lines are kept.

        Raises UnicodeEncodeError where its encoding has no such character.
        """
        ends = "\r\n" if b"\r\n" in self.data else "\n"
        return text.replace("\n", ends).encode(self.encoding)


def read_source(path: Path) -> Source:
    """Read a file as Python does. Raises OSError, SyntaxError, UnicodeDecodeError."""
    data = path.read_bytes()
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    # A mark at the beginning is no character of the text, and is written again with it.
    text = data.decode(encoding)
    plain = io.StringIO(text, newline=None).read()
    return Source(data, plain, encoding)


def write_bytes(path: Path, data: bytes) -> None:
    """Put a file in the place of another at once, with its mode: half of it is never there.

    It is at least a second younger: Python tells bytecode by the second and the size of its source.
    """
    before = path.stat()
    handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(draft).chmod(before.st_mode & 0o7777)
        younger = max(Path(draft).stat().st_mtime_ns, before.st_mtime_ns + 1_000_000_000)
        os.utime(draft, ns=(younger, younger))
        Path(draft).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(draft).unlink()
        raise
