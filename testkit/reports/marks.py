"""Texts of a run inside Markdown: as data.

Every sign that would mean something there stands for itself, links and mentions are none, and no
line is a command of a CI service.
"""

from __future__ import annotations

import html
import re
from typing import Final

from testkit.reports.texts import of_lines, one_line

__all__ = ["as_code", "block", "escaped", "harmless"]

_MARKS: Final = re.compile(r"([\\`*_{}\[\]()#|~!+$=^-])")
_ENTITIES: Final = {"@": "&#64;", ":": "&#58;", "#": "&#35;"}
_COMMAND: Final = re.compile(r"^(\s*)(::|##\[|##vso)", re.MULTILINE)
_FENCE: Final = re.compile(r"`{3,}")


def escaped(text: str, *, most: int = 1_000) -> str:
    """Return a text on one line for a paragraph, a heading or a cell."""
    plain = html.escape(one_line(text, most=most), quote=False)
    marked = _MARKS.sub(r"\\\1", plain)
    # "\#" would still link an issue, and a colon makes an address of what stands before it.
    marked = marked.replace("\\#", "&#35;").replace("@", _ENTITIES["@"])
    return re.sub(r":(?=/|:)", _ENTITIES[":"], marked)


def as_code(text: str, *, most: int = 300) -> str:
    """Return a text on one line as code, whatever backticks are in it."""
    line = one_line(text, most=most).replace("|", "\u00a6") or " "
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    marks = "`" * (longest + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{marks}{pad}{harmless(line)}{pad}{marks}"


def block(text: str, *, word: str = "text", lines: int = 60, most: int = 6_000) -> list[str]:
    """Return a text as a block of code that nothing in it can close."""
    inner = [harmless(line) for line in of_lines(text, lines=lines, most=most)]
    longest = max((len(run) for line in inner for run in _FENCE.findall(line)), default=2)
    fence = "`" * max(longest + 1, 3)
    return [f"{fence}{word}", *inner, fence]


def harmless(text: str) -> str:
    """Return a text of which no line begins with a command of GitHub or Azure."""
    return _COMMAND.sub(lambda found: f"{found[1]}{found[2][0]} {found[2][1:]}", text)
