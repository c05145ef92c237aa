"""One file of Python as rules read it: its tree, and where each name comes from."""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Edit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Change", "Module", "Place", "inside", "is_test_file", "parse"]

_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@dataclass(frozen=True, slots=True)
class Change:
    """What to write instead of a node: its new ``text``, and the ``imports`` that this needs.

    An import is a dotted name, as ``Module.spelled`` gives it.
    """

    node: ast.expr | ast.stmt | ast.arg
    text: str
    imports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rule found something, and what: one sentence without its full stop.

    ``changes`` and ``edits`` mend it, all of them together; without them it is for a person.
    """

    node: ast.expr | ast.stmt | ast.excepthandler
    reason: str
    changes: tuple[Change, ...] = ()
    edits: tuple[Edit, ...] = ()


@dataclass(frozen=True)
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
        return is_test_file(self.path)

    @cached_property
    def parents(self) -> Mapping[ast.AST, ast.AST]:
        """By node the one that it stands in."""
        return {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}

    @cached_property
    def relative_names(self) -> frozenset[str]:
        """The names that relative imports give; where they come from, only their package knows."""
        return frozenset(
            alias.asname or alias.name
            for node in self.nodes
            if isinstance(node, ast.ImportFrom) and node.level
            for alias in node.names
        )

    @cached_property
    def _lines(self) -> tuple[tuple[int, str], ...]:
        """By line, from 0: where it begins, and its text."""
        found, at = [], 0
        # As the parser parts lines: str.splitlines knows further ends.
        for line in self.text.split("\n"):
            found.append((at, line))
            at += len(line) + 1
        return tuple(found)

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        """Give the nodes around a node, inner ones first, the module last."""
        while above := self.parents.get(node):
            yield above
            node = above

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
        yield from self._calls

    @cached_property
    def _calls(self) -> tuple[tuple[ast.Call, str], ...]:
        found = (node for node in self.nodes if isinstance(node, ast.Call))
        return tuple((node, self.origin(node.func)) for node in found)

    def spelled(self, name: str) -> tuple[str, tuple[str, ...]]:
        """Return how this file writes a dotted name such as ``uuid.UUID``, and what to import.

        Nothing is to be imported where the file has it under any name, or has its module.
        """
        module, _, last = name.rpartition(".")
        for own, origin in self._imported_for_all.items():
            if origin == name:
                return own, ()
        for own, origin in self._imported_for_all.items():
            if origin == module:
                return f"{own}.{last}", ()
        if last in self._bound:
            return name, (module,)
        return last, (name,)

    @cached_property
    def _imported_for_all(self) -> Mapping[str, str]:
        return _origins(tuple(self.tree.body))

    @cached_property
    def _bound(self) -> frozenset[str]:
        """The names that stand for something in this file, wherever."""
        names = {node.id for node in self.nodes if isinstance(node, ast.Name)}
        names |= {node.arg for node in self.nodes if isinstance(node, ast.arg)}
        defined = (*_FUNCTIONS[:2], ast.ClassDef)
        return frozenset(
            names
            | {node.name for node in self.nodes if isinstance(node, defined)}
            | {*self.origins}
        )

    def segment(self, node: ast.AST) -> str:
        """Return the text of a node, as it stands in the file."""
        start, end = self.range_of(node)
        return self.text[start:end]

    def range_of(self, node: ast.AST) -> tuple[int, int]:
        """Return where a node's text begins and ends, in characters of the file's text."""
        assert isinstance(node, ast.expr | ast.stmt | ast.arg | ast.keyword | ast.alias)
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return (
            self._at(node.lineno, node.col_offset),
            self._at(node.end_lineno, node.end_col_offset),
        )

    def edit(self, change: Change) -> Edit:
        """Return a change as one of the file's text."""
        return Edit(*self.range_of(change.node), change.text)

    def _at(self, line: int, column: int) -> int:
        start, text = self._lines[line - 1]
        if not text.isascii():  # the parser counts bytes
            column = len(text.encode()[:column].decode(errors="ignore"))
        return start + column


def is_test_file(path: str) -> bool:
    """Return whether pytest reads a file by its name: a test module or a conftest."""
    name = PurePath(path).name
    return name == "conftest.py" or name.startswith("test_") or name.endswith("_test.py")


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
