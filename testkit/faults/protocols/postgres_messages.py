"""Messages of Postgres, protocol version 3: what is in those that matter, and some of our own."""

from __future__ import annotations

import struct
from typing import Final

__all__ = [
    "FOUR",
    "FROM_CLIENT",
    "FROM_SERVER",
    "HEADER",
    "OURS",
    "ROLLBACK",
    "SYNC",
    "WRONG_BIND",
    "error_response",
    "is_ours",
    "words",
]

#: A message's type and length; the length counts itself, not the type.
HEADER: Final = struct.Struct(">BI")
FOUR: Final = struct.Struct(">I")
FROM_CLIENT: Final = frozenset(b"QPBDECFSHdcfpX")
FROM_SERVER: Final = frozenset(b"RSKZ123tTnDCIsENAGHWcdVv")

#: A prepared statement that no session has: binding it is an error for the server as well, so that
#: its transaction is as aborted as the client believes. The server's log shows the name.
OURS: Final = b"testkit answered in the place of the server"


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + FOUR.pack(len(body) + 4) + body


SYNC: Final = _message(b"S", b"")
WRONG_BIND: Final = _message(b"B", b"\0" + OURS + b"\0" + b"\0" * 6)
ROLLBACK: Final = (
    _message(b"P", b"\0ROLLBACK\0\0\0")
    + _message(b"B", b"\0\0" + b"\0" * 6)
    + _message(b"E", b"\0" + b"\0" * 4)
)


def error_response(sqlstate: str, message: str) -> bytes:
    """Return an ErrorResponse of severity ERROR."""
    fields = ("SERROR", "VERROR", f"C{sqlstate}", f"M{message}")
    return _message(b"E", b"".join(field.encode() + b"\0" for field in fields) + b"\0")


def is_ours(message: bytes) -> bool:
    """Return whether an ErrorResponse is the one that ``WRONG_BIND`` asked for."""
    return b"\0C26000\0" in message and OURS in message


def words(data: bytes, start: int, end: int, count: int) -> list[bytes]:
    """Return so many texts, each ended by a zero byte, that begin there; fewer where they end."""
    return data[start:end].split(b"\0", count)[:count]
