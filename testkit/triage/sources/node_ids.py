"""Node ids for sources that hold only class names and names of tests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["NodeIds"]

_IS_TEST: Final = re.compile(r"test_\w+|\w+_tests?|tests?")
_FILES: Final = re.compile(
    r"(?:^|[\s\"])((?:[\w.@+-]+/)*[\w.@+-]+\.py)(?=:\d|\", line )", re.MULTILINE
)

_MOST_ASKED: Final = 20


class NodeIds:
    """Rebuilds ``tests/test_shop.py::TestOpen::test_it[a]`` from what JUnit XML tells.

    ``is_file`` tells whether a path below the root is a file; without it, and where nothing is
    found, the spelling decides: the last part that looks like a test module is the file.
    """

    def __init__(self, is_file: Callable[[str], bool] | None = None) -> None:
        self._is_file = is_file
        self._files: dict[str, tuple[str, tuple[str, ...]] | None] = {}
        self._shown: dict[str, tuple[str, tuple[str, ...]]] = {}
        self._asked: dict[str, int] = {}
        self.guessed = 0

    def of(self, classname: str, name: str, *, file: str = "", text: str = "") -> str:
        """Return the node id; ``file`` and ``text`` (a traceback) help to find the file."""
        dotted = classname or name
        if not dotted:
            return name or "(a test without a name)"
        if file and file.endswith(".py"):
            return self._under(file.replace("\\", "/"), dotted, name if classname else "")
        found = self._found(dotted)
        if found is None and text:
            found = self._shown_in(dotted, text)
        if found is None:
            self.guessed += 1
            found = _spelt(dotted)
        path, classes = found
        return "::".join((path, *classes, *((name,) if classname else ())))

    def _under(self, file: str, dotted: str, name: str) -> str:
        stem = file.removesuffix(".py").replace("/", ".")
        rest = dotted[len(stem) + 1 :] if dotted.startswith(stem + ".") else ""
        if not rest and not dotted.endswith(stem):
            last = stem.rpartition(".")[2]
            parts = dotted.split(".")
            rest = ".".join(parts[parts.index(last) + 1 :]) if last in parts else ""
        return "::".join((file, *filter(None, rest.split(".")), *((name,) if name else ())))

    def _shown_in(self, dotted: str, text: str) -> tuple[str, tuple[str, ...]] | None:
        """Look into the tracebacks of a class name until one tells, but not into thousands."""
        asked = self._asked.get(dotted, 0)
        if dotted not in self._shown and asked < _MOST_ASKED:
            self._asked[dotted] = asked + 1
            if (found := _shown(dotted, text)) is not None:
                self._shown[dotted] = found
        return self._shown.get(dotted)

    def _found(self, dotted: str) -> tuple[str, tuple[str, ...]] | None:
        """Look for the file: the longest beginning of the name that is one."""
        if self._is_file is None or "/" in dotted or "" in dotted.split("."):
            return None
        if dotted not in self._files:
            parts = dotted.split(".")
            self._files[dotted] = next(
                (
                    (path, tuple(parts[end:]))
                    for end in range(len(parts), 0, -1)
                    if self._is_file(path := "/".join(parts[:end]) + ".py")
                ),
                None,
            )
        return self._files[dotted]


def _shown(dotted: str, text: str) -> tuple[str, tuple[str, ...]] | None:
    """Take the file from a traceback that names one with the spelling of the class name."""
    for path in dict.fromkeys(_FILES.findall(text)):
        stem = path.removesuffix(".py").replace("/", ".")
        if dotted == stem or dotted.startswith(stem + "."):
            return path, tuple(filter(None, dotted[len(stem) + 1 :].split(".")))
    return None


def _spelt(dotted: str) -> tuple[str, tuple[str, ...]]:
    parts = dotted.split(".")
    if any(not part.isidentifier() for part in parts):
        return dotted, ()  # no module of Python: another tool's class name, kept as it is
    ends = [place for place, part in enumerate(parts, 1) if _IS_TEST.fullmatch(part)]
    end = ends[-1] if ends else len(parts)
    if not ends:
        while end > 1 and parts[end - 1][:1].isupper():
            end -= 1
    elif parts[end - 1] in {"test", "tests"} and end < len(parts) and parts[end][:1].islower():
        end += 1
    return "/".join(parts[:end]) + ".py", tuple(parts[end:])
