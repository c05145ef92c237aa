"""Where factories are: files with a class that has a Factory among its bases, not yet imported."""

from __future__ import annotations

import ast
import os
import warnings
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["FactoryFile", "find_files"]

_NAMES: Final = ("factories.py", "*_factories.py", "conftest.py", "test_*.py", "*_test.py")
_FOLDERS: Final = frozenset(("factories", "tests", "test"))
_PASSED_OVER: Final = frozenset(
    ("__pycache__", "node_modules", "site-packages", "build", "dist", "venv")
)


@dataclass(frozen=True, slots=True)
class FactoryFile:
    """A file, and where its classes stand: qualified name to line and column, both from 1.

    ``named`` says that somebody asked for this very file.
    """

    path: Path
    classes: Mapping[str, tuple[int, int]]
    named: bool = False


def find_files(paths: Iterable[Path], root: Path) -> list[FactoryFile]:
    """Return the files of these paths that declare factories, in order; of the project without any.

    A path that was named is looked into whatever its name. In the project it is ``factories.py``,
    ``*_factories.py``, ``conftest.py``, test files, and what lies in folders ``factories``,
    ``tests`` and ``test``.
    """
    named = [path.resolve() for path in paths]
    files = [file for path in named for file in (_below(path) if path.is_dir() else [path])]
    if not named:
        files = [
            file for file in _below(root.resolve()) if _likely(file.relative_to(root.resolve()))
        ]
    found = (_read(file, named=file in named) for file in dict.fromkeys(files))
    return [each for each in found if each is not None]


def _below(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if name not in _PASSED_OVER
            and not name.startswith(".")
            and not (Path(place) / name / "pyvenv.cfg").exists()
        )
        yield from (Path(place) / name for name in sorted(names) if name.endswith(".py"))


def _likely(file: Path) -> bool:
    named = any(fnmatch(file.name, pattern) for pattern in _NAMES)
    return named or not _FOLDERS.isdisjoint(file.parts[:-1])


def _read(file: Path, *, named: bool) -> FactoryFile | None:
    try:
        source = file.read_bytes()
        if b"Factory" not in source:
            return None
        with warnings.catch_warnings(action="ignore"):  # of strings in it: no matter of ours
            tree = ast.parse(source)
    except (OSError, SyntaxError, ValueError):
        # Its import says what is wrong. Data of tests may be anything, and is not imported.
        imported = named or any(fnmatch(file.name, pattern) for pattern in _NAMES)
        return FactoryFile(file, {}, named) if imported else None
    classes = {name: (node.lineno, node.col_offset + 1) for name, node in _classes(tree, "")}
    declares = any(_mentions_factory(node) for _, node in _classes(tree, ""))
    return FactoryFile(file, classes, named) if declares else None


def _classes(node: ast.AST, outer: str) -> Iterator[tuple[str, ast.ClassDef]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield outer + child.name, child
            yield from _classes(child, f"{outer}{child.name}.")
        elif not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield from _classes(child, outer)


def _mentions_factory(node: ast.ClassDef) -> bool:
    names = (
        part.id if isinstance(part, ast.Name) else part.attr
        for base in node.bases
        for part in ast.walk(base)
        if isinstance(part, (ast.Name, ast.Attribute))
    )
    return any(name.endswith("Factory") for name in names)
