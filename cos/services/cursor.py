"""Cursors of keyset pagination: positions in the order (created_at, id), as text for a URL."""

import base64
import re
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from cos.services.errors import InvalidCursorError

__all__ = ["Position", "decode", "encode"]

# Microseconds since 1970 and the UUID: 24 bytes are 32 characters of base64 without padding.
LAYOUT: Final = struct.Struct(">q16s")
FORM: Final = re.compile(r"[A-Za-z0-9_-]{32}")
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Position:
    """The last row of a page; the next page starts behind it."""

    created_at: datetime
    id: UUID


def encode(position: Position) -> str:
    """Return the text for ``position``: 32 URL-safe characters; two positions never share one."""
    microseconds = (position.created_at - EPOCH) // MICROSECOND
    return base64.urlsafe_b64encode(LAYOUT.pack(microseconds, position.id.bytes)).decode("ascii")


def decode(text: str) -> Position:
    """Return the position that ``text`` stands for, in UTC; raise `InvalidCursorError` if none."""
    if not FORM.fullmatch(text):
        raise InvalidCursorError
    microseconds, id_bytes = LAYOUT.unpack(base64.urlsafe_b64decode(text))
    try:
        created_at = EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        raise InvalidCursorError from None
    return Position(created_at, UUID(bytes=id_bytes))
