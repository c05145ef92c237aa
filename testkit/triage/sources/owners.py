"""Whose a file of a traceback is, by its path alone."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from testkit.core.runs.failure import Owner

__all__ = ["owner_of", "relative"]

_LIBRARY: Final = re.compile(r"(?:^|/)(?:site-packages|dist-packages)/")
_TESTKIT: Final = re.compile(r"(?:^|/)site-packages/testkit/")
_PYTHON: Final = re.compile(r"(?:^|/)lib(?:64)?/python3\.\d+/|^<frozen |\.framework/Versions/")
_TEST: Final = re.compile(r"(?:^|/)(?:conftest\.py|test_[^/]*\.py|[^/]*_test\.py|tests\.py)$")


@lru_cache(maxsize=4096)
def owner_of(path: str) -> Owner:
    """Return whose the file is; a path that says nothing belongs to the project."""
    path = path.replace("\\", "/")
    if _LIBRARY.search(path):
        return "testkit" if _TESTKIT.search(path) else "library"
    if _PYTHON.search(path):
        return "python"
    return "test" if _TEST.search(path) else "project"


@lru_cache(maxsize=4096)
def relative(path: str, root: str) -> str:
    """Return the path below the root, with ``/``; as it is where it lies elsewhere."""
    path = path.replace("\\", "/")
    head = root.replace("\\", "/").rstrip("/") + "/"
    return path[len(head) :] if root and path.startswith(head) else path
