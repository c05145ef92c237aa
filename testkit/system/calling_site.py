"""The line of the project's own code from which something was called, past all libraries."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

__all__ = ["CallingSite", "calling_site"]

_Whose = Literal["project", "library", "machinery"]

# What is nobody's own: the standard library, testkit, what has no file, the script `pytest`.
_MACHINERY: Final = (
    f"{Path(os.__file__).parent}/",
    f"{Path(__file__).parents[1]}/",
    f"{Path(sys.executable).parent}/",
    "<",
)
_PACKAGES: Final = ("/site-packages/", "/dist-packages/")
# Installed packages that stand between a statement and whoever wanted it.
_BETWEEN: Final = frozenset(
    {
        *("asyncpg", "greenlet", "pg8000", "psycopg", "psycopg_pool", "psycopg2", "sqlalchemy"),
        "testkit",
    }
)


class CallingSite(NamedTuple):
    """A place in code; ``file`` is relative where it lies below the root that was asked with."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} in {self.function}"


def calling_site(root: str, *, otherwise_library: bool = False) -> CallingSite | None:
    """Return the nearest frame of the project, also across the greenlets of SQLAlchemy's asyncio.

    None where the project is not on this stack (a loop or a thread of a library's own), unless
    the nearest library will do. ``root`` ends with a slash.
    """
    library = None
    # Not inspect.stack: it reads every source file.
    for frame in _frames(sys._getframe()):  # noqa: SLF001
        whose = _whose(frame.f_code.co_filename)
        if whose == "project":
            return _site(frame, root)
        if whose == "library" and library is None:
            library = frame
    return _site(library, root) if library is not None and otherwise_library else None


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    library = sys.modules.get("greenlet")
    greenlet: Any = library.getcurrent() if library is not None else None
    while frame is not None:
        while frame is not None:
            yield frame
            frame = frame.f_back
        greenlet = greenlet and greenlet.parent
        # Whoever waits for this greenlet stands still in the one that started it.
        frame = greenlet and greenlet.gr_frame


@lru_cache(maxsize=4096)
def _whose(file: str) -> _Whose:
    for folder in _PACKAGES:
        _, found, inside = file.rpartition(folder)
        if found:
            top = inside.partition("/")[0].removesuffix(".py")
            return "machinery" if top in _BETWEEN else "library"
    return "machinery" if file.startswith(_MACHINERY) else "project"


def _site(frame: FrameType, root: str) -> CallingSite:
    file = frame.f_code.co_filename
    for folder in _PACKAGES:
        file = file.rpartition(folder)[2]
    return CallingSite(file.removeprefix(root), frame.f_lineno, frame.f_code.co_qualname)
