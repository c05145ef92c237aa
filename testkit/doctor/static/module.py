"""One file of Python as rules read it: its tree, and where each name comes from."""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Module", "Place", "inside", "parse"]

_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rule found something, and what: one sentence without its full stop."""

    node: ast.expr | ast.stmt
    reason: str


@dataclass(frozen=True, slots=True)
class Module:
    """A parsed file; ``path`` is absolute, ``nodes`` are all of its nodes, outer ones first."""

    path: str
    text: str
    tree: ast.Module
    nodes: tuple[ast.AST, ...]
    origins: Mapping[str, str]

    @property
    def is_test(self) -> bool:
        """Whether pytest would read it: a test module or a conftest."""
        name = PurePath(self.path).name
        return name == "conftest.py" or name.startswith("test_") or name.endswith("_test.py")

    def origin(self, node: ast.AST | None) -> str:
        """Return the dotted name that an expression stands for, by the file's imports; else "".

        ``dt.now`` is ``datetime.datetime.now`` behind ``from datetime import datetime as dt``.
        A name that is not imported stands for itself.
        """
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        return ".".join([self.origins.get(node.id, node.id), *reversed(parts)])

    def calls(self) -> Iterator[tuple[ast.Call, str]]:
        """Give each call with the dotted name of what is called."""
        for node in self.nodes:
            if isinstance(node, ast.Call):
                yield node, self.origin(node.func)


def parse(path: str, text: str) -> Module:
    """Parse a file. Raises SyntaxError, ValueError or RecursionError where Python cannot."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the project's texts, which are not ours to tell
        tree = ast.parse(text, path)
    nodes = tuple(ast.walk(tree))
    return Module(path, text, tree, nodes, _origins(nodes))


def inside(function: ast.AST) -> Iterator[ast.AST]:
    """Give the nodes that run when a function does, without those of functions within it."""
    waiting = list(ast.iter_child_nodes(function))
    while waiting:
        node = waiting.pop()
        if isinstance(node, _FUNCTIONS):
            continue
        yield node
        waiting += ast.iter_child_nodes(node)


def _origins(nodes: tuple[ast.AST, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.partition(".")[0]
                found[name] = alias.name if alias.asname else name
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return found
