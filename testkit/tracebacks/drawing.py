"""Stand-ins for the functions by which pytest finds the source of a frame.

pytest reads, parses and walks the whole file of each frame of each failure anew. Here that is done
once for each file of a process. What is returned is what pytest's own functions return.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import linecache
from importlib import import_module
from types import CodeType
from typing import TYPE_CHECKING, Any, Final, cast

from testkit.tracebacks.statements import begins_of, extent
from testkit.tracebacks.versions import unknown_among

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from _pytest._code.code import TracebackEntry
    from _pytest._code.source import Source

__all__ = ["Drawing", "drawing", "stood_in"]

# Private modules of pytest, which promise no types.
_code: Any = import_module("_pytest._code.code")
_source: Any = import_module("_pytest._code.source")

# A file longer than this takes pytest a tenth of a second: too long to be read twice for a check.
_CHECKED_LINES: Final = 2500
_CHECKED_FRAMES: Final = 3


def stood_in() -> dict[str, Callable[..., object] | None]:
    """Return pytest's own functions that the stand-ins rest on, by name; None where one is gone."""
    entry = getattr(_code, "TracebackEntry", None)
    full = getattr(getattr(_code, "Code", None), "fullsource", None)
    return {
        "bestrelpath": getattr(_code, "bestrelpath", None),
        "findsource": getattr(_source, "findsource", None),
        "get_statement_startend2": getattr(_source, "get_statement_startend2", None),
        "getstatementrange_ast": getattr(_source, "getstatementrange_ast", None),
        "getsource": getattr(entry, "getsource", None),
        "fullsource": getattr(full, "fget", None),
    }


class _Begins(ast.Module):
    """Stands for the tree of a file: pytest hands it on and asks only where statements begin."""

    testkit_begins: list[int]


class Drawing:
    """The stand-ins of one process: on from ``begin`` to ``end``, which may be nested."""

    def __init__(self) -> None:
        self._depth = 0
        self._own: dict[str, Any] = {}
        # By the identity of linecache's list of lines, which changes with the file.
        self._sources: dict[int, tuple[list[str], Source]] = {}
        # By the identity of the code and of linecache's entry of its file.
        self._found: dict[int, tuple[CodeType, object, tuple[Source, int]]] = {}
        self._trees: dict[int, _Begins | SyntaxError] = {}
        self._extents: dict[tuple[int, int], tuple[int, int]] = {}
        self._relative: dict[tuple[str, str], str] = {}

    @property
    def is_on(self) -> bool:
        """Whether the stand-ins are in place."""
        return self._depth > 0

    def begin(self) -> list[str]:
        """Put the stand-ins in place; return the names of functions whose form is not known.

        Where there is one, nothing is put in place and ``end`` must not be called.
        """
        if self._depth == 0:
            if unknown := unknown_among(stood_in()):
                return unknown
            self._put()
        self._depth += 1
        return []

    def end(self) -> None:
        """Give pytest its own functions back with the last ``end``, and forget the files."""
        self._depth -= 1
        if self._depth == 0:
            self._take_back()
            self._sources.clear()
            self._found.clear()
            self._trees.clear()
            self._extents.clear()
            self._relative.clear()

    @contextlib.contextmanager
    def suspended(self) -> Iterator[None]:
        """Let pytest use its own functions in this block."""
        was_on = self.is_on
        if was_on:
            self._take_back()
        try:
            yield
        finally:
            if was_on:
                self._put()

    def _put(self) -> None:
        self._own = {
            "bestrelpath": _code.bestrelpath,
            "findsource": _code.findsource,
            "getstatementrange_ast": _code.getstatementrange_ast,
            "get_statement_startend2": _source.get_statement_startend2,
        }
        _code.bestrelpath = self._bestrelpath
        _code.findsource = self._findsource
        _code.getstatementrange_ast = self._getstatementrange_ast
        _source.get_statement_startend2 = self._get_statement_startend2

    def _take_back(self) -> None:
        _code.bestrelpath = self._own["bestrelpath"]
        _code.findsource = self._own["findsource"]
        _code.getstatementrange_ast = self._own["getstatementrange_ast"]
        _source.get_statement_startend2 = self._own["get_statement_startend2"]

    def differs(self, entries: Iterable[TracebackEntry]) -> str:
        """Return the first of a few frames that pytest itself draws otherwise, "" for none."""
        checked = 0
        for entry in entries:
            full = entry.frame.code.fullsource
            if full is None or len(full.lines) > _CHECKED_LINES:
                continue
            here = entry.getsource({})
            with self.suspended():
                pytests = entry.getsource({})
            if (here is None) != (pytests is None) or (
                here is not None and pytests is not None and here.lines != pytests.lines
            ):
                return f"{entry.path}:{entry.lineno + 1}"
            checked += 1
            if checked == _CHECKED_FRAMES:
                break
        return ""

    def _bestrelpath(self, directory: Path, dest: Path) -> str:
        # It compares the parts of two paths: for each frame anew, and those of few files.
        place = str(directory), str(dest)
        if place not in self._relative:
            self._relative[place] = self._own["bestrelpath"](directory, dest)
        return self._relative[place]

    def _findsource(self, obj: object) -> tuple[Source | None, int]:
        own = self._own["findsource"]
        if not isinstance(obj, CodeType):
            return cast("tuple[Source | None, int]", own(obj))
        # inspect looks through all modules for each frame; what it finds rests on these lines.
        linecache.checkcache(obj.co_filename)
        entry = linecache.cache.get(obj.co_filename)
        found = self._found.get(id(obj))
        if found is not None and found[1] is entry:
            return found[2]
        try:
            lines, line = inspect.findsource(obj)
        except Exception:  # noqa: BLE001 - as pytest's own does, whose answer it is then
            return cast("tuple[Source | None, int]", own(obj))
        known = self._sources.get(id(lines))
        if known is None:
            source, line = own(obj)
            known = self._sources[id(lines)] = lines, source
        entry = linecache.cache.get(obj.co_filename)
        if entry is not None:
            self._found[id(obj)] = obj, entry, (known[1], line)
        return known[1], line

    def _getstatementrange_ast(
        self,
        lineno: int,
        source: Source,
        assertion: bool = False,  # noqa: FBT001, FBT002 - pytest's own signature
        astnode: ast.AST | None = None,
    ) -> tuple[ast.AST, int, int]:
        own = self._own["getstatementrange_ast"]
        tree = self._tree(source) if astnode is None or isinstance(astnode, _Begins) else None
        if tree is None or extent(tree.testkit_begins, lineno) is None:
            given = None if isinstance(astnode, _Begins) else astnode
            answer: tuple[ast.AST, int, int] = own(lineno, source, assertion, given)
            return answer
        place = id(source), lineno
        if place not in self._extents:
            _, start, end = own(lineno, source, assertion, tree)
            self._extents[place] = start, end
        return tree, *self._extents[place]

    def _tree(self, source: Source) -> _Begins | None:
        """Return where the statements of a file begin; None for what is no whole file.

        Raises SyntaxError as pytest's own does.
        """
        tree = self._trees.get(id(source))
        if tree is None:
            if all(source is not kept for _, kept in self._sources.values()):
                return None
            try:
                begins = begins_of(str(source))
            except SyntaxError as error:
                tree = error
            else:
                tree = _Begins(body=[], type_ignores=[])
                tree.testkit_begins = begins
            self._trees[id(source)] = tree
        if isinstance(tree, _Begins):
            return tree
        raise SyntaxError(*tree.args)

    def _get_statement_startend2(self, lineno: int, node: ast.AST) -> tuple[int, int | None]:
        if isinstance(node, _Begins):
            found = extent(node.testkit_begins, lineno)
            if found is not None:
                return found
        answer: tuple[int, int | None] = self._own["get_statement_startend2"](lineno, node)
        return answer


#: The one of this process: runs within a run (pytester) share it.
drawing: Final = Drawing()
