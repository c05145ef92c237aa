"""Errors with a code of the catalogue, and their texts."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from testkit.core.catalogue.message import Message

__all__ = ["TestkitError", "explain", "missing_extra", "nearest", "render"]


class TestkitError(Exception):
    """Something is wrong that the user can mend; ``code`` is a key of ``CATALOGUE``."""

    __test__ = False  # pytest would collect a class of this name

    def __init__(self, code: str, /, **values: object) -> None:
        self.code = code
        self.values = values
        super().__init__(render(code, **values))

    def __reduce__(self) -> tuple[object, tuple[type[TestkitError], str, dict[str, object]]]:
        """Keep kind, code and values across processes (xdist sends exceptions of workers)."""
        return _rebuild, (type(self), self.code, self.values)


def _rebuild(kind: type[TestkitError], code: str, values: dict[str, object]) -> TestkitError:
    return kind(code, **values)


def missing_extra(module: str, python: str) -> TestkitError | None:
    """Return TK003 for a module that one of our extras brings, None for any other."""
    for name, (feature, extra) in _EXTRAS.items():
        if module.partition(".")[0] == name:
            return TestkitError("TK003", feature=feature, module=name, extra=extra, python=python)
    return None


_EXTRAS: Final = {
    "psycopg": ("testkit's own connection to Postgres", "embedded"),
    "redis": ("testkit's own connection to Redis", "embedded"),
    "factory": ("testkit.factories", "factories"),
    "faker": ("testkit.factories", "factories"),
    "time_machine": ("the fixture clock", "clock"),
    "_time_machine": ("the fixture clock", "clock"),
    "docker": ("the road docker", "docker"),
    "testcontainers": ("the road docker", "docker"),
    "libcst": ("testkit doctor --fix", "doctor"),
}


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word that looks most like this one; there must be one."""
    return difflib.get_close_matches(word, list(known), n=1, cutoff=0)[0]


def render(code: str, /, **values: object) -> str:
    """Return the four parts as text; raises KeyError for an unknown code or a missing value."""
    message = _message(code)
    return (
        f"{code}: {message.happened.format(**values)}\n"
        f"  where: {message.where.format(**values)}\n"
        f"  why:   {_indented(message.why.format(**values))}\n"
        f"  run:   {message.run.format(**values)}"
    )


def explain(code: str) -> str:
    """Return the long text of a code, with its placeholders shown by name."""
    message = _message(code)
    shown = _Names()
    parts = [
        f"{code}: {message.title}",
        "",
        message.happened.format_map(shown),
        "",
        f"Why: {message.why.format_map(shown)}",
        "",
        message.more.format_map(shown),
    ]
    return "\n".join(parts).rstrip()


def _message(code: str) -> Message:
    # Where nothing is wrong, nobody pays for the texts.
    from testkit.core.catalogue import CATALOGUE  # noqa: PLC0415

    return CATALOGUE[code]


class _Names(dict[str, object]):
    def __missing__(self, key: str) -> str:
        return _Placeholder(key)


class _Placeholder(str):
    __slots__ = ()

    def __format__(self, spec: str) -> str:
        return "<" + self + ">"

    def __repr__(self) -> str:
        return "<" + self + ">"


def _indented(text: str) -> str:
    return text.replace("\n", "\n         ")
