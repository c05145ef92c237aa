"""How a process' token and a count are written into values, and how they are read out of them."""

from __future__ import annotations

import functools
import re
from typing import Final

__all__ = ["COUNTS", "base36", "compact", "counts_in", "readable"]

_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_TOKEN_DIGITS: Final = 7  # of 32 bits in base 36
_COUNT_DIGITS: Final = 4
#: Counts are smaller than this, so that every form has room for them.
COUNTS: Final = len(_DIGITS) ** _COUNT_DIGITS


def base36(number: int, width: int = 1) -> str:
    """Return a number in base 36, in lower case, with zeros in front up to ``width`` digits."""
    digits = ""
    while number:
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits.rjust(width, "0")


def readable(prefix: str, worker: str, token: str, count: int, *, length: int | None) -> str | None:
    """Return ``module-gw1-7f3a9c2e-0042``, its prefix cut to ``length``; None where that is short.

    It holds lower-case ASCII letters, digits and - only.
    """
    name = f"{_plain(worker)}-{token}-{count:04d}"
    room = None if length is None else length - len(name) - 1
    if room is not None and room < -1:
        return None
    start = _plain(prefix)[: None if room is None else max(room, 0)].rstrip("-")
    return f"{start}-{name}" if start else name


def compact(token: str, count: int) -> str:
    """Return eleven letters and digits, other ones for every token and count."""
    return base36(int(token, 16), _TOKEN_DIGITS) + base36(count, _COUNT_DIGITS)


def counts_in(value: str, token: str) -> list[int]:
    """Return the counts that stand in a value behind the token, in whichever form and case."""
    text = value.lower()
    behind = re.findall(f"(?:^|[^0-9a-f]){token}-([0-9]{{4,7}})", text)
    # What follows may be the caller's: a count of more than four digits does not begin with 0.
    found = [int(digits[:4]) for digits in behind]
    found += [int(digits) for digits in behind if digits[0] != "0"]
    start = base36(int(token, 16), _TOKEN_DIGITS)
    alone = f"(?<![0-9a-z]){start}([0-9a-z]{{4}})(?![0-9a-z])"
    found += [int(count, len(_DIGITS)) for count in re.findall(alone, text)]
    return sorted({count for count in found if 0 < count < COUNTS})


@functools.lru_cache(maxsize=256)
def _plain(text: str) -> str:
    return re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")
