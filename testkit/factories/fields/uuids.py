"""UUIDs of version 4 or 7."""

from __future__ import annotations

import secrets
import threading
import time
import uuid
from typing import TYPE_CHECKING, Final

from testkit.core.current import current

if TYPE_CHECKING:
    from random import Random

    from testkit.factories.fields.field import Draws, Field, Plain, Unique

__all__ = ["new_uuid", "plain_uuid", "unique_uuid"]

BITS_BELOW_THE_TIME: Final = 74
"""``rand_a`` and ``rand_b`` of RFC 9562, section 5.7, as one counter (section 6.2, method 2)."""
RANDOM_A: Final = 62
TIME_ORDERED: Final = 7


class _TimeOrdered:
    """UUIDs of version 7, each greater than the one before, in all threads of the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def __call__(self) -> uuid.UUID:
        fresh = time.time_ns() // 1_000_000 << BITS_BELOW_THE_TIME
        # The highest bit stays free, so that there is room to count up within a millisecond.
        fresh |= secrets.randbits(BITS_BELOW_THE_TIME - 1)
        with self._lock:
            # A clock that stands still or goes back (a frozen one, too) must not repeat a value.
            self._last = fresh = max(fresh, self._last + 1 + secrets.randbits(32))
        return _assembled(fresh)


def _assembled(bits: int) -> uuid.UUID:
    """Put version and variant between 48 bits of time, 12 and 62 further ones."""
    high, low = bits >> RANDOM_A, bits & ((1 << RANDOM_A) - 1)
    milliseconds, random_a = high >> 12, high & 0xFFF
    return uuid.UUID(int=milliseconds << 80 | 7 << 76 | random_a << 64 | 0b10 << 62 | low)


_time_ordered: Final = _TimeOrdered()


def new_uuid() -> uuid.UUID:
    """Return a UUID of the version that the option ``uuid_version`` says: 4, or 7.

    Those of version 7 rise within the process, whichever thread asks.
    """
    if current.uuid_version == TIME_ORDERED:
        return _time_ordered()
    return uuid.uuid4()


def plain_uuid(field: Field) -> Plain:
    """Make UUIDs from the random source alone."""

    def draw(random: Random) -> uuid.UUID:
        return uuid.UUID(int=random.getrandbits(128), version=4)

    return draw if _as_uuid(field) else lambda random: str(draw(random))


def unique_uuid(field: Field) -> Unique:
    """Make UUIDs that nobody else makes."""

    def draw(_draws: Draws) -> uuid.UUID:
        return new_uuid()

    return draw if _as_uuid(field) else lambda draws: str(draw(draws))


def _as_uuid(field: Field) -> bool:
    return bool(getattr(field.type, "as_uuid", True))
