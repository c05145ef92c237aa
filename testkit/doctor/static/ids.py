"""Where a file gives a text to something that may be a column: constructors, queries, ``get``."""

from __future__ import annotations

import ast
import uuid
from typing import TYPE_CHECKING, Final, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.doctor.static.module import Module

__all__ = ["GivenText", "texts_given"]

_MADE: Final = frozenset(("uuid.uuid1", "uuid.uuid4", "uuid.uuid5", "uuid.uuid7"))


class GivenText(TypedDict):
    """A text for ``model.column``; ``column`` is "" for the primary key that ``get`` asks for.

    ``shown`` is the expression, ``text`` what would be a UUID instead, "" where none can be told,
    ``imports`` what that needs, ``start`` and ``end`` where the expression stands.
    """

    model: str
    attribute: str
    line: int
    column: int
    shown: str
    text: str
    imports: list[str]
    start: int
    end: int


def texts_given(module: Module) -> list[GivenText] | None:
    """Return the texts that a file gives to what looks like a column of a class."""
    found = [
        _given(module, model, attribute, value)
        for node in module.nodes
        for model, attribute, value in _candidates(module, node)
        if _is_text(module, value)
    ]
    return found or None


def _candidates(module: Module, node: ast.AST) -> Iterator[tuple[str, str, ast.expr]]:
    """Give class, attribute and value of what a node says; the attribute is "" of a ``get``."""
    match node:
        case ast.Call(func=ast.Attribute(value=asked, attr="filter_by"), keywords=words):
            model = _queried(module, asked)
            yield from ((model, word.arg, word.value) for word in words if word.arg and model)
        case ast.Call(func=ast.Attribute(attr="get" | "get_one"), args=[asked, value, *_]) if (
            model := _class(module, asked)
        ):
            yield model, "", value
        case ast.Call(func=function, keywords=words) if model := _class(module, function):
            yield from ((model, word.arg, word.value) for word in words if word.arg)
        case ast.Compare(
            left=ast.Attribute(value=asked, attr=name),
            ops=[ast.Eq() | ast.NotEq()],
            comparators=[value],
        ) if model := _class(module, asked):
            yield model, name, value


def _class(module: Module, node: ast.expr) -> str:
    """Return the dotted name of what looks like a class, else ""."""
    name = module.origin(node)
    return name if name.rpartition(".")[2][:1].isupper() else ""


def _queried(module: Module, node: ast.expr) -> str:
    """Return the class of ``select(Model)`` or ``session.query(Model)`` behind a chain of calls."""
    while isinstance(node, ast.Call):
        function = node.func
        last = function.attr if isinstance(function, ast.Attribute) else module.origin(function)
        if last.rpartition(".")[2] in {"select", "query"} and len(node.args) == 1:
            return module.origin(node.args[0])
        if not isinstance(function, ast.Attribute):
            return ""
        node = function.value
    return ""


def _is_text(module: Module, value: ast.expr) -> bool:
    if isinstance(value, ast.Constant):
        return isinstance(value.value, str)
    if isinstance(value, ast.JoinedStr):
        return True
    return _made(module, value) is not None


def _made(module: Module, value: ast.expr) -> ast.expr | None:
    """Return the UUID inside of ``str(uuid4())`` and ``uuid4().hex``."""
    if isinstance(value, ast.Call) and module.origin(value.func) == "str" and len(value.args) == 1:
        inner: ast.expr = value.args[0]
    elif isinstance(value, ast.Attribute) and value.attr == "hex":
        inner = value.value
    else:
        return None
    is_new = isinstance(inner, ast.Call) and module.origin(inner.func) in _MADE
    return inner if is_new else None


def _given(module: Module, model: str, attribute: str, value: ast.expr) -> GivenText:
    text = ""
    imports: tuple[str, ...] = ()
    made = _made(module, value)
    if made:
        text = module.segment(made)
    elif isinstance(value, ast.Constant) and _is_uuid(str(value.value)):
        kind, imports = module.spelled("uuid.UUID")
        text = f"{kind}({module.segment(value)})"
    start, end = module.range_of(value)
    return GivenText(
        model=model,
        attribute=attribute,
        line=value.lineno,
        column=value.col_offset + 1,
        shown=ast.unparse(value)[:60],
        text=text,
        imports=list(imports),
        start=start,
        end=end,
    )


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
