"""A reader of regular expressions: that part of them that can be turned round."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

__all__ = ["PRINTABLE", "Branch", "Expression", "Group", "Item", "Part", "read_expression"]

PRINTABLE: Final = frozenset(map(chr, range(32, 127)))
_CLASSES: Final = {
    "d": frozenset(string.digits),
    "w": frozenset(string.ascii_letters + string.digits + "_"),
    "s": frozenset(" "),
}
_POSIX: Final = {
    "alpha": frozenset(string.ascii_letters),
    "digit": frozenset(string.digits),
    "alnum": frozenset(string.ascii_letters + string.digits),
    "upper": frozenset(string.ascii_uppercase),
    "lower": frozenset(string.ascii_lowercase),
    "space": frozenset(" "),
    "xdigit": frozenset(string.hexdigits),
    "punct": frozenset(string.punctuation),
}
_COUNT: Final = re.compile(r"\{(\d+)(,?)(\d*)\}")


@dataclass(frozen=True, slots=True)
class Part:
    """One of ``chars``, ``low`` to ``high`` times; ``high`` is None where there is no limit."""

    chars: frozenset[str]
    low: int = 1
    high: int | None = 1

    def rendered(self) -> str:
        """Return it as Python reads it."""
        inside = "".join(rf"\x{ord(char):02x}" for char in sorted(self.chars))
        return f"[{inside}]{_count(self.low, self.high)}"


@dataclass(frozen=True, slots=True)
class Group:
    """One of several branches, ``low`` to ``high`` times."""

    branches: tuple[tuple[Item, ...], ...]
    low: int = 1
    high: int | None = 1

    def rendered(self) -> str:
        """Return it as Python reads it."""
        inside = "|".join("".join(item.rendered() for item in branch) for branch in self.branches)
        return f"(?:{inside}){_count(self.low, self.high)}"


Item = Part | Group


@dataclass(frozen=True, slots=True)
class Branch:
    """One alternative of a whole expression, and whether it is held at the text's ends."""

    items: tuple[Item, ...]
    at_start: bool
    at_end: bool

    def whole(self) -> tuple[Item, ...]:
        """Return what a whole text consists of: anything at an end that is not held."""
        anything = (Part(PRINTABLE, 0, None),)
        return (() if self.at_start else anything) + self.items + (() if self.at_end else anything)


@dataclass(frozen=True, slots=True)
class Expression:
    """A regular expression that was read."""

    branches: tuple[Branch, ...]

    def rendered(self) -> str:
        """Return it as Python reads it, for printable ASCII."""
        return "|".join(
            ("^" if branch.at_start else "")
            + "".join(item.rendered() for item in branch.items)
            + (r"\Z" if branch.at_end else "")
            for branch in self.branches
        )


@lru_cache(maxsize=512)
def read_expression(pattern: str) -> Expression | None:
    """Read a regular expression, or return None where something in it is not known here."""
    reader = _Reader(pattern)
    try:
        branches = [reader.branch()]
        while reader.take("|"):
            branches.append(reader.branch())
    except (_UnknownError, RecursionError):
        return None
    return Expression(tuple(branches)) if reader.at == len(reader.text) else None


def _count(low: int, high: int | None) -> str:
    return "" if (low, high) == (1, 1) else f"{{{low},{'' if high is None else high}}}"


class _UnknownError(Exception):
    """Something that is not read here."""


@dataclass(slots=True)
class _Reader:
    text: str
    at: int = 0
    ignore_case: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.ignore_case = self.take("(?i)")

    def take(self, words: str) -> bool:
        if self.text.startswith(words, self.at):
            self.at += len(words)
            return True
        return False

    def next(self) -> str:
        if self.at >= len(self.text):
            raise _UnknownError
        self.at += 1
        return self.text[self.at - 1]

    def branch(self) -> Branch:
        at_start = self.take("^") or self.take(r"\A")
        items = self.items(until="|$")
        return Branch(items, at_start, self.take("$") or self.take(r"\Z"))

    def items(self, until: str) -> tuple[Item, ...]:
        items: list[Item] = []
        while self.at < len(self.text) and self.text[self.at] not in until:
            if self.text.startswith(r"\Z", self.at):
                break
            items.append(self.item())
        return tuple(items)

    def item(self) -> Item:
        char = self.next()
        if char == "(":
            branches = self.group()
            return Group(branches, *self.count())
        return Part(self.chars(char), *self.count())

    def group(self) -> tuple[tuple[Item, ...], ...]:
        if not self.take("?:") and self.text.startswith("?", self.at):
            raise _UnknownError  # looks around, or sets a flag
        branches = [self.items(until="|)")]
        while self.take("|"):
            branches.append(self.items(until="|)"))
        if not self.take(")"):
            raise _UnknownError
        return tuple(branches)

    def chars(self, char: str) -> frozenset[str]:
        if char == "[":
            return self.cased(self.set_of_chars())
        if char == ".":
            return PRINTABLE
        if char in "^$*+?{}|)]":
            raise _UnknownError
        return self.cased(self.escaped() if char == "\\" else frozenset(char))

    def escaped(self) -> frozenset[str]:
        char = self.next()
        if char.lower() in _CLASSES:
            known = _CLASSES[char.lower()]
            return known if char.islower() else PRINTABLE - known
        if char.isalnum():
            raise _UnknownError
        return frozenset(char)

    def set_of_chars(self) -> frozenset[str]:
        opposite = self.take("^")
        found = frozenset("]" if self.take("]") else "")  # the first one is a member
        while not self.take("]"):
            found |= self.member()
        return PRINTABLE - found if opposite else found

    def member(self) -> frozenset[str]:
        if self.take("[:"):
            name, end, rest = self.text[self.at :].partition(":]")
            if not end or name not in _POSIX:
                raise _UnknownError
            self.at = len(self.text) - len(rest)
            return _POSIX[name]
        char = self.next()
        if char == "[":
            raise _UnknownError
        if char == "\\":
            return self.escaped()
        if self.text.startswith("-", self.at) and not self.text.startswith("-]", self.at):
            self.at += 1
            last = self.next()
            if last in "[\\" or last < char:
                raise _UnknownError
            return frozenset(map(chr, range(ord(char), ord(last) + 1)))
        return frozenset(char)

    def cased(self, chars: frozenset[str]) -> frozenset[str]:
        chars &= PRINTABLE
        if self.ignore_case:
            chars |= {char.swapcase() for char in chars}
        if not chars:
            raise _UnknownError
        return chars

    def count(self) -> tuple[int, int | None]:
        found: tuple[int, int | None] = (1, 1)
        if self.take("*"):
            found = (0, None)
        elif self.take("+"):
            found = (1, None)
        elif self.take("?"):
            found = (0, 1)
        elif counted := _COUNT.match(self.text, self.at):
            self.at = counted.end()
            low, comma, high = counted.groups()
            found = (int(low), int(high) if high else None if comma else int(low))
        if found != (1, 1) and self.text[self.at : self.at + 1] in {"?", "+", "*", "{"}:
            self.lazy()
        if found[1] is not None and found[1] < found[0]:
            raise _UnknownError
        return found

    def lazy(self) -> None:
        """Pass over the mark of a count that takes as little as it can; refuse any other."""
        if not self.take("?"):
            raise _UnknownError
