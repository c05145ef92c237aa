"""Tracebacks as pytest and Python draw them, read back into chains of exceptions.

Known are pytest's styles ``long``, ``short``, ``line`` and ``native``, chains of two exceptions and
more, and exception groups. What is of another form gives an exception without frames.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from testkit.core.runs.failure import Frame, Raised
from testkit.triage.sources.owners import owner_of, relative

if TYPE_CHECKING:
    from testkit.core.runs.failure import Link

__all__ = ["chain_of", "named"]

_CAUSE: Final = "The above exception was the direct cause of the following exception:"
_CONTEXT: Final = "During handling of the above exception, another exception occurred:"
_LINKED: Final = re.compile(rf"^({re.escape(_CAUSE)}|{re.escape(_CONTEXT)})$", re.MULTILINE)
# Such as "shop/core.py:8: in wrap", then "shop/core.py:3: ValueError", and nothing behind it.
_PLACE: Final = re.compile(
    r"^(?P<path>(?:[A-Za-z]:)?[^\s:>][^\n:]*+):(?P<line>\d{1,7}):"
    r"(?: in (?P<function>[^\n]+)|[ ]?(?P<type>[A-Za-z_][\w.]*)?)[ ]?$",
    re.MULTILINE,
)
_ALONE: Final = re.compile(
    r"(?P<path>(?:[A-Za-z]:)?[^\s:>][^\n:]*):(?P<line>\d{1,7}): (?P<told>[^\n]+)"
)
_MARKED: Final = re.compile(r"^E(?: ( *)(.*))?$", re.MULTILINE)
_POINTED: Final = re.compile(r"^> +(.*)$", re.MULTILINE)
_FUNCTION: Final = re.compile(r"^(?:>)?\s*(?:async )?def (\w+)", re.MULTILINE)
_FIXTURE: Final = re.compile(r"^file (?P<path>.+), line (?P<line>\d{1,7})$", re.MULTILINE)
_FILE: Final = re.compile(
    r'^ *File "(?P<path>[^"\n]+)", line (?P<line>\d{1,7}), in (?P<function>[^\n]+)'
    r"(?:\n    (?! *File \")(?P<text>[^\n]*))?",
    re.MULTILINE,
)
_NATIVE: Final = "Traceback (most recent call last):"
_GROUP: Final = "Exception Group Traceback (most recent call last):"
_BAR: Final = re.compile(r"^ *\| ?", re.MULTILINE)
_FORK: Final = re.compile(
    r"^(?P<margin> *)\+(?:-\+)?-{4,}(?: (?P<number>[\d.]+) -+)?$", re.MULTILINE
)
_TYPE: Final = re.compile(r"((?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*)(?:: ?|$)")
_INSIDE: Final = ("/_pytest/", "/pluggy/")
_LONGEST: Final = 4_000
_MOST_FRAMES: Final = 60
_DEEPEST: Final = 20


def chain_of(text: str, *, root: str = "") -> tuple[Raised, ...]:
    """Return the exceptions, what pytest saw first; empty where the text shows none."""
    return tuple(_sections(text, root, 0))


def named(line: str) -> tuple[str, str]:
    """Split "shop.Gone: no such shop" in type and message; the type is "" where none is named."""
    found = _TYPE.match(line)
    if found is None or not _is_type(found[1]):
        return "", line
    return found[1], line[found.end() :]


def _is_type(name: str) -> bool:
    last = name.rpartition(".")[2].lstrip("_")
    return last[:1].isupper() and ("." in name or last not in {"E", "None", "True", "False"})


def _sections(text: str, root: str, depth: int) -> list[Raised]:
    parts = _LINKED.split(text) if _CAUSE in text or _CONTEXT in text else [text]
    sections, links = parts[::2][-_DEEPEST:], parts[1::2]
    links = links[len(links) - len(sections) + 1 :]
    chain: list[Raised] = []
    for place in range(len(sections) - 1, -1, -1):
        link: Link = "raised"
        if place < len(links):
            link = "cause" if links[place] == _CAUSE else "context"
        chain += _section(sections[place], link, root, depth)
    return chain


def _section(text: str, link: Link, root: str, depth: int) -> list[Raised]:
    if _GROUP in text and depth < _DEEPEST:
        return _group(text, link, root, depth)
    if _NATIVE in text:
        return _native(text, link, root)
    return _drawn(text, link, root)


def _drawn(text: str, link: Link, root: str) -> list[Raised]:
    """Read one exception in pytest's own styles."""
    text = _telling(text)
    frames: list[Frame] = []
    kind = ""
    end = 0
    for found in _PLACE.finditer(text):
        path = relative(found["path"], root)
        if found["function"]:
            source = text[found.end() + 1 :].partition("\n")[0].strip()
            frames.append(_frame(path, found["line"], found["function"], source))
        else:
            entry = text[end : found.start()]
            pointed = _POINTED.findall(entry)
            function = _FUNCTION.search(entry)
            name = function[1] if function else ""
            frames.append(_frame(path, found["line"], name, pointed[-1] if pointed else ""))
            kind = found["type"] or kind
        end = found.end()
    told = _told(text, placed=bool(frames))
    if not told:
        return _alone(text, link, root) if not frames else [Raised(kind, "", link, _few(frames))]
    if told.startswith("fixture '"):
        found_file = _FIXTURE.search(text)
        if found_file:
            path = relative(found_file["path"], root)
            frames = [_frame(path, found_file["line"], "", "")]
        return [Raised("_pytest.fixtures.FixtureLookupError", told, link, tuple(frames))]
    return [Raised(*_typed(told, kind), link, _few(frames))]


def _telling(text: str) -> str:
    """Leave out the lines of source code: most of a drawn traceback, and told by no mark."""
    kept: list[str] = []
    placed = False
    lines = text.split("\n")
    if ": in " not in text:  # no line is told by the one before it: what is indented far is source
        lines = [line for line in lines if line[:5] != "     " or "def " in line]
    for line in lines:
        if not line[:1].isspace() or placed or "def " in line:
            kept.append(line)
        elif kept and kept[-1].startswith("E") and not line.startswith("     "):
            kept.append(line)  # more lines of a message, where only its first one is marked
        placed = ": in " in line
    return "\n".join(kept)


def _told(text: str, *, placed: bool) -> str:
    """Return what the lines marked with E say, without their common indentation."""
    marked = _MARKED.findall(text)
    if not marked:
        return ""
    if not placed and len(marked) == 1:  # of what has no frames only the first line is marked
        found = _MARKED.search(text)
        assert found is not None
        rest = text[found.end() :].rstrip().split("\n")[1:]
        if "\n>" not in text:
            return "\n".join([marked[0][1], *(line.removeprefix("    ") for line in rest)])
    indent = len(marked[0][0])
    lines = (f"{spaces[indent:]}{line}" for spaces, line in marked)
    return "\n".join(lines).strip("\n")[:_LONGEST]


def _typed(told: str, kind: str) -> tuple[str, str]:
    """Return type and message; ``kind`` is the bare name beside the place, where there is one."""
    name, message = named(told)
    if kind:
        if name.rpartition(".")[2] == kind.rpartition(".")[2]:
            return name, message
        return kind, told
    if name:
        return name, message
    return ("AssertionError" if told.startswith("assert ") else ""), told


def _alone(text: str, link: Link, root: str) -> list[Raised]:
    """Read a traceback of one line, "shop/core.py:3: ValueError: bad x"; else a message alone."""
    text = text.strip()
    found = _ALONE.match(text)
    if found:
        name, message = named(found["told"])
        rest = text[found.end() :]
        frame = _frame(relative(found["path"], root), found["line"], "", "")
        return [Raised(name, (message + rest)[:_LONGEST], link, (frame,))] if name else []
    name, message = named(text[:_LONGEST])
    known = name and (name.endswith(("Error", "Exception", "Failed", "Exit")) or "." in name)
    return [Raised(name, message, link)] if known else []


def _native(text: str, link: Link, root: str) -> list[Raised]:
    frames: list[Frame] = []
    end = text.index(_NATIVE) + len(_NATIVE)
    for found in _FILE.finditer(text):
        end = found.end()
        source = (found["text"] or "").strip()
        path = relative(found["path"], root)
        frames.append(_frame(path, found["line"], found["function"], source))
    lines = text[end:].split("\n")[1:]
    while lines and (lines[0].startswith("    ") or not lines[0].strip(" ^~")):
        lines.pop(0)
    told = "\n".join(lines).strip("\n")[:_LONGEST]
    name, message = named(told)
    return [Raised(name, message, link, _few(_without_pytest(frames)))]


def _without_pytest(frames: list[Frame]) -> list[Frame]:
    """Leave out the way from pytest to the test, and that into pytest's own ``fail``."""
    inside = [any(part in frame.path for part in _INSIDE) for frame in frames]
    if not any(inside) or all(frame.owner in {"library", "python"} for frame in frames):
        return frames
    begin = next(n for n, frame in enumerate(frames) if frame.owner not in {"library", "python"})
    end = len(frames)
    while inside[end - 1]:
        end -= 1
    return frames[begin if any(inside[:begin]) else 0 : end]


def _group(text: str, link: Link, root: str, depth: int) -> list[Raised]:
    """Read an exception group: itself, then each member with what hangs on it."""
    outer, members = _forks(text)
    chain = _native(_BAR.sub("", outer).replace(_GROUP, _NATIVE), link, root)
    for member in members:
        inner = _sections(member, root, depth + 1)
        if inner:
            chain += [replace(inner[0], link="group"), *inner[1:]]
    return chain


def _forks(text: str) -> tuple[str, list[str]]:
    """Part the text of a group at the marks of its own depth, not at those of groups within."""
    marks = list(_FORK.finditer(text))
    if not marks:
        return text, []
    outer = text[: marks[0].start()]
    # The first mark is drawn two columns left of its members' ("  +-+--- 1 ---", "    +--- 2 ---").
    margin = len(marks[0]["margin"]) + 2
    members: list[str] = []
    begin = marks[0].end()
    for mark in marks[1:]:
        if len(mark["margin"]) == margin and "-+-" not in mark[0]:
            members.append(_outdented(text[begin : mark.start()], margin))
            begin = mark.end()
    if text[begin:].strip(" |+-\n"):
        members.append(_outdented(text[begin:], margin))
    return outer, members


def _outdented(text: str, margin: int) -> str:
    prefix = " " * margin + "|"
    lines = text.strip("\n").split("\n")
    return "\n".join(
        line.removeprefix(prefix).removeprefix(" ") if line.startswith(prefix) else line
        for line in lines
    )


def _few(frames: list[Frame]) -> tuple[Frame, ...]:
    """Keep the ends of a deep traceback, as of a recursion."""
    half = _MOST_FRAMES // 2
    return tuple(frames if len(frames) <= _MOST_FRAMES else frames[:half] + frames[-half:])


def _frame(path: str, line: str, function: str, text: str) -> Frame:
    return Frame(path, int(line), function, text[:200], owner_of(path))
