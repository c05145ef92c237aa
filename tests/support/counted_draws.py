"""Draws that count from nought, with the contract of those that tests use."""

from __future__ import annotations

import string
from collections import Counter
from itertools import count

DIGITS = string.digits + string.ascii_lowercase


class UsedUp(Exception):  # noqa: N818 - what testkit's own says with a code
    """A space has given all its numbers."""


class CountedDraws:
    """Never draw the same value twice; texts may be as short as the contract allows."""

    def __init__(self) -> None:
        self._count, self._numbers = count(), Counter[str]()

    def text(self, prefix: str, *, length: int | None = None, space: str = "text") -> str:
        number = next(self._count)
        readable = f"{prefix}-gw1-7f3a9c2e-{number:04}"
        if length is None or len(readable) <= length:
            return readable
        if length >= 11:
            return f"7f3a9c{_base36(number, 5)}"
        return _base36(self.number(space, 36**length), length)

    def number(self, space: str, size: int) -> int:
        self._numbers[space] += 1
        if self._numbers[space] > size:
            raise UsedUp(space)
        return (size // 3 + self._numbers[space]) % size  # not from the start, over the end


def _base36(number: int, places: int) -> str:
    written = ""
    for _ in range(places):
        number, digit = divmod(number, 36)
        written = DIGITS[digit] + written
    return written
