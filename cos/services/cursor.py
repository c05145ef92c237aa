"""Cursors of keyset pagination as text for a URL: positions (created_at, id), and numbers."""

import base64
import re
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from cos.services.errors import InvalidCursorError

__all__ = ["Position", "decode", "decode_number", "encode", "encode_number"]

# Microseconds since 1970 and the UUID: 24 bytes are 32 characters of base64 without padding.
LAYOUT: Final = struct.Struct(">q16s")
FORM: Final = re.compile(r"[A-Za-z0-9_-]{32}")
# A number is 8 bytes: 11 characters, so that the cursor of one list is none of the other.
NUMBER: Final = struct.Struct(">Q")
NUMBER_FORM: Final = re.compile(r"[A-Za-z0-9_-]{10}[AEIMQUYcgkosw048]")
GREATEST: Final = 2**63 - 1
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


def encode_number(number: int) -> str:
    """Return the text for a number from 0 to 2**63 - 1: 11 URL-safe characters."""
    return base64.urlsafe_b64encode(NUMBER.pack(number)).decode("ascii").rstrip("=")


def decode_number(text: str) -> int:
    """Return the number that ``text`` stands for; raise `InvalidCursorError` if none."""
    if not NUMBER_FORM.fullmatch(text):
        raise InvalidCursorError
    (number,) = NUMBER.unpack(base64.urlsafe_b64decode(f"{text}="))
    if number > GREATEST:
        raise InvalidCursorError
    return int(number)
