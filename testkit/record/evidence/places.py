"""Whose the places of a traceback are, and how they are told."""

from __future__ import annotations

import linecache
import os
import sys
import sysconfig
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Final

from testkit.core.runs.failure import Frame
from testkit.record.evidence.texts import told

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from testkit.core.runs.failure import Owner

__all__ = ["Places", "Tracebacks"]

Tracebacks = list["TracebackType"]
_FIRST: Final = 5
_LAST: Final = 25
_LIBRARY: Final = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
_TESTKIT: Final = f"{Path(__file__).parents[2]}{os.sep}"
_PYTHON: Final = tuple(
    {
        f"{Path(path).resolve()}{os.sep}"
        for name in ("stdlib", "platstdlib")
        if (path := sysconfig.get_path(name))
    }
)
_PREFIXES: Final = tuple({f"{prefix}{os.sep}" for prefix in (sys.prefix, sys.base_prefix)})


@dataclass(slots=True)
class Places:
    """Paths of a run: ``root`` is its root, ``patterns`` are those of test modules."""

    root: str
    patterns: tuple[str, ...] = ("test_*.py", "*_test.py")
    modules: frozenset[str] = frozenset()
    _owners: dict[str, Owner] = field(default_factory=dict)

    def owner(self, path: str) -> Owner:
        """Return whose a file is."""
        known = self._owners.get(path)
        if known is None:
            known = self._owners[path] = self._owner(path)
        return known

    def _owner(self, path: str) -> Owner:
        if path.startswith(_TESTKIT):
            return "testkit"
        if path.startswith((*_PYTHON, "<frozen ")) and not any(part in path for part in _LIBRARY):
            return "python"
        below = path.startswith(f"{self.root}{os.sep}")
        if (
            path.startswith("<")
            or any(part in path for part in _LIBRARY)
            or (not below and path.startswith(_PREFIXES))
        ):
            return "library"
        name = path.rpartition(os.sep)[2]
        if name == "conftest.py" or path in self.modules:
            return "test"
        return "test" if any(fnmatch(name, p) for p in self.patterns) else "project"

    def relative(self, path: str) -> str:
        """Return a path below the root with ``/``; as it is where it lies elsewhere."""
        return path.removeprefix(f"{self.root}{os.sep}").replace(os.sep, "/")

    def frames(self, tracebacks: Tracebacks) -> tuple[Frame, ...]:
        """Return the places: the first and the last ones where they are many."""
        if len(tracebacks) > _FIRST + _LAST:
            tracebacks = tracebacks[:_FIRST] + tracebacks[-_LAST:]
        last = len(tracebacks) - 1
        return tuple(self._frame(one, last=n == last) for n, one in enumerate(tracebacks))

    def _frame(self, one: TracebackType, *, last: bool) -> Frame:
        code = one.tb_frame.f_code
        path, line = code.co_filename, one.tb_lineno or 0
        owner = self.owner(path)
        # Reading a library's files takes longer than all the rest.
        tells = line and (last or owner in {"test", "project"})
        return Frame(
            path=self.relative(path),
            line=line,
            function=code.co_name,
            text=told(linecache.getline(path, line).strip(), 300) if tells else "",
            owner=owner,
        )

    def own(self, tracebacks: Iterable[TracebackType]) -> Tracebacks:
        """Return the places in the project and its tests."""
        return [
            one
            for one in tracebacks
            if self.owner(one.tb_frame.f_code.co_filename) in {"test", "project"}
        ]
