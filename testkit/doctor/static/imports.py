"""What a file imports, where in its text the names stand, and what it puts into ``sys.path``."""

from __future__ import annotations

import ast
import posixpath
import re
from typing import TYPE_CHECKING, Final, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.doctor.static.module import Module

__all__ = ["Imported", "Imports", "imports_of"]

_FROM: Final = re.compile(r"from\s+(?P<module>[\w.]+)")
_DYNAMIC: Final = frozenset(
    ("importlib.import_module", "__import__", "pkgutil.walk_packages", "pkgutil.iter_modules")
)
# No path is written so deep; a name may stand for itself.
_DEEPEST: Final = 20


class Imported(TypedDict):
    """One import: ``names`` are those of ``from module import names``, empty for ``import module``.

    ``start`` and ``end`` are where the module's name stands in the text. ``bound`` is the name
    that ``import module`` gives with ``as``, "" without.
    """

    module: str
    level: int
    names: list[str]
    bound: str
    line: int
    column: int
    start: int
    end: int


class Imports(TypedDict):
    """What a file imports at run time, and the folders that it puts into ``sys.path``.

    ``paths`` are absolute, with the line of each. ``script`` says that it is meant to be started,
    ``dynamic`` that it imports what only a run can tell.
    """

    imports: list[Imported]
    paths: list[tuple[str, int]]
    script: bool
    dynamic: bool


def imports_of(module: Module) -> Imports | None:
    """Return the imports of a file, at any depth, without those for types alone."""
    typing = {id(node) for block in module.nodes if _is_typing(block) for node in ast.walk(block)}
    imports = [
        each
        for node in module.nodes
        if isinstance(node, ast.Import | ast.ImportFrom) and id(node) not in typing
        for each in _imported(module, node)
    ]
    paths = list(_paths(module))
    if not imports and not paths:
        return None
    return Imports(
        imports=imports,
        paths=paths,
        script=any(map(_is_main, module.tree.body)),
        dynamic=any(name in _DYNAMIC for _, name in module.calls()),
    )


def _imported(module: Module, node: ast.Import | ast.ImportFrom) -> Iterator[Imported]:
    if isinstance(node, ast.ImportFrom):
        start, _ = module.range_of(node)
        match = _FROM.match(module.text, start)
        # Of a relative import the name is never rewritten.
        span = match.span("module") if match else (start, start)
        yield Imported(
            module=node.module or "",
            level=node.level,
            names=[alias.name for alias in node.names],
            bound="",
            line=node.lineno,
            column=node.col_offset + 1,
            start=span[0],
            end=span[1],
        )
        return
    for alias in node.names:
        start, _ = module.range_of(alias)
        yield Imported(
            module=alias.name,
            level=0,
            names=[],
            bound=alias.asname or "",
            line=node.lineno,
            column=node.col_offset + 1,
            start=start,
            end=start + len(alias.name),
        )


def _is_typing(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def _is_main(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)


def _paths(module: Module) -> Iterator[tuple[str, int]]:
    for call, name in module.calls():
        if name in {"sys.path.insert", "sys.path.append"} and call.args:
            folder = _folder(module, call.args[-1])
            if folder:
                yield folder, call.lineno


def _folder(module: Module, node: ast.expr) -> str:
    """Return the absolute folder that an expression about ``__file__`` names, "" for any other."""
    told = _path(module, node, 0)
    return posixpath.normpath(told) if told.startswith("/") else ""


def _path(module: Module, node: ast.expr, depth: int) -> str:
    """Return the path that an expression stands for, "" for one that is not understood."""
    told = ""
    if depth > _DEEPEST:
        return told
    match node:
        case ast.Name(id="__file__"):
            told = module.path
        case ast.Name(id=name):
            value = _assigned(module, name)
            told = _path(module, value, depth + 1) if value else ""
        case ast.Constant(value=str(text)):
            told = text
        case ast.Attribute(value=inner, attr="parent"):
            told = _parent(_path(module, inner, depth + 1))
        case ast.Subscript(
            value=ast.Attribute(value=inner, attr="parents"), slice=ast.Constant(value=int(number))
        ):
            told = _path(module, inner, depth + 1)
            for _ in range(min(number, _DEEPEST) + 1):
                told = _parent(told)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            sides = _path(module, left, depth + 1), _path(module, right, depth + 1)
            told = posixpath.join(*sides) if all(sides) else ""
        case ast.Call():
            told = _called(module, node, depth)
    return told


def _called(module: Module, node: ast.Call, depth: int) -> str:
    function = node.func
    last = function.attr if isinstance(function, ast.Attribute) else module.origin(function)
    last = last.rpartition(".")[2]
    told = [_path(module, each, depth + 1) for each in node.args]
    if last in {"resolve", "absolute", "as_posix"} and isinstance(function, ast.Attribute):
        return _path(module, function.value, depth + 1)
    if not told or not all(told):
        return ""
    if last == "dirname":
        return _parent(told[0])
    if last in {"join", "joinpath"}:
        start = ""
        if last == "joinpath" and isinstance(function, ast.Attribute):
            start = _path(module, function.value, depth + 1)
        return posixpath.normpath(posixpath.join(start, *told))
    if last in {"abspath", "realpath", "normpath", "str", "Path", "fspath"}:
        return told[0]
    return ""


def _parent(path: str) -> str:
    return posixpath.dirname(posixpath.normpath(path)) if path else ""


def _assigned(module: Module, name: str) -> ast.expr | None:
    """Return what the file assigns to a name, where it does so once, at its top."""
    found = [
        node.value
        for node in module.tree.body
        if isinstance(node, ast.Assign)
        and any(isinstance(each, ast.Name) and each.id == name for each in node.targets)
    ]
    return found[0] if len(found) == 1 else None
