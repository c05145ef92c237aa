"""Texts that came from a run, made harmless: spelt out, on one line, cut to a width."""

from __future__ import annotations

import unicodedata
from typing import Final

__all__ = ["fitted", "of_lines", "one_line", "plural", "printable", "width"]

_MOST: Final = 4_000
_TAB: Final = "    "


def one_line(text: str, *, most: int = _MOST) -> str:
    """Return a text on one line; what would be obeyed, or not be seen, is spelt out."""
    cut = text if len(text) <= most else f"{text[:most]}…"
    return printable(" ".join(cut.split()))


def of_lines(text: str, *, most: int = _MOST, lines: int = 200) -> list[str]:
    """Return the lines of a text, each harmless; of a long one the last, which tell most."""
    cut = text if len(text) <= most else f"… {len(text) - most} characters before\n{text[-most:]}"
    found = cut.replace("\r\n", "\n").replace("\t", _TAB).strip("\n").split("\n")
    if len(found) > lines:
        found = [f"… {len(found) - lines + 1} lines before", *found[-lines + 1 :]]
    return [printable(line.rstrip()) for line in found]


def width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(sign) else 1 + (unicodedata.east_asian_width(sign) in {"W", "F"})
        for sign in text
    )


def fitted(text: str, columns: int) -> str:
    """Return a text on one line of at most so many columns, cut with "…"."""
    line = one_line(text, most=max(columns, 1) * 4)
    if width(line) <= columns:
        return line
    kept = ""
    taken = 0
    for sign in line:
        taken += width(sign)
        if taken > columns - 1:
            break
        kept += sign
    return f"{kept.rstrip()}…" if columns > 0 else ""


def plural(count: int, one: str, many: str = "") -> str:
    """Return a number with its noun: ``1 test``, ``1,200 tests``."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def printable(text: str) -> str:
    """Return the text with what a terminal would obey, or not show, spelt out."""
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text
    )
