"""The rows that tests make: constructors with texts, what commits, what cleans up behind."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final, TypedDict

from testkit.doctor.static.functions import added_parameter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.doctor.static.module import Module

__all__ = ["Maker", "Row", "Rows", "rows_of"]

_CLEANS: Final = frozenset(
    ("drop_all", "create_all", "rollback", "begin_nested", "truncate", "drop_database", "flushall")
)
_TRUNCATE: Final = re.compile(
    r"\s*(truncate|delete\s+from|drop\s+(table|schema|database))\b", re.IGNORECASE
)
_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)


class Row(TypedDict):
    """A call ``Model(column="text")``: by column the text, and where it stands in the file.

    ``model`` is the dotted name of what is called, by the file's imports.
    """

    model: str
    line: int
    column: int
    values: dict[str, tuple[str, int, int]]


class Maker(TypedDict):
    """A test that makes rows and commits.

    ``texts`` are the places of each text that one of its rows has, in the whole function; a text
    that is a part of another one there has none. ``parameter`` is where one more parameter would
    stand and its text, "" where that cannot be told. ``body`` is where its first statement stands,
    behind a docstring, and how far from the left. ``bound`` are the names in it.
    """

    name: str
    bound: list[str]
    rows: list[Row]
    texts: dict[str, list[tuple[int, int]]]
    parameter: tuple[int, str]
    body: tuple[int, int]


class Rows(TypedDict):
    """The tests of a file that commit rows, and whether something in the file cleans up."""

    makers: list[Maker]
    cleans: bool


def rows_of(module: Module) -> Rows | None:
    """Return what a file of tests says of rows; None where it says nothing."""
    if not module.is_test:
        return None
    makers = [
        maker
        for node in module.nodes
        if isinstance(node, _FUNCTIONS)
        and node.name.startswith("test")
        and (maker := _maker(module, node))
    ]
    cleans = any(_cleans(module, node) for node in module.nodes if isinstance(node, _FUNCTIONS))
    return Rows(makers=makers, cleans=cleans) if makers or cleans else None


def _maker(module: Module, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Maker | None:
    nodes = list(ast.walk(node))
    calls = [each for each in nodes if isinstance(each, ast.Call)]
    if not (any(_commits(call) for call in calls) or any(map(_begins, nodes))):
        return None
    rows = [row for call in calls if (row := _row(module, call))]
    if not rows:
        return None
    texts = {text for row in rows for text, _, _ in row["values"].values()}
    first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
    return Maker(
        name=node.name,
        bound=sorted({each.id for each in nodes if isinstance(each, ast.Name)}),
        rows=rows,
        texts={text: list(_places(module, nodes, text)) for text in sorted(texts)},
        parameter=_parameter(module, node),
        body=(module.range_of(first)[0], first.col_offset),
    )


def _commits(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr == "commit"


def _begins(node: ast.AST) -> bool:
    """Return whether this is ``with Session.begin()``, which commits at its end."""
    return isinstance(node, ast.With | ast.AsyncWith) and any(
        isinstance(item.context_expr, ast.Call)
        and isinstance(item.context_expr.func, ast.Attribute)
        and item.context_expr.func.attr == "begin"
        for item in node.items
    )


def _row(module: Module, call: ast.Call) -> Row | None:
    name = module.origin(call.func)
    if not name.rpartition(".")[2][:1].isupper():
        return None
    values = {
        word.arg: (word.value.value, *module.range_of(word.value))
        for word in call.keywords
        if word.arg
        and isinstance(word.value, ast.Constant)
        and isinstance(word.value.value, str)
        and word.value.value
    }
    if not values:
        return None
    return Row(model=name, line=call.lineno, column=call.col_offset + 1, values=values)


def _places(module: Module, nodes: list[ast.AST], text: str) -> Iterator[tuple[int, int]]:
    """Give where a text stands in a function; nothing where it is a part of another one too."""
    constants = [
        each for each in nodes if isinstance(each, ast.Constant) and isinstance(each.value, str)
    ]
    if any(text in str(each.value) and each.value != text for each in constants):
        return
    inner = {id(part) for each in nodes if isinstance(each, ast.JoinedStr) for part in each.values}
    if any(each.value == text and id(each) in inner for each in constants):
        return
    for each in constants:
        if each.value == text:
            yield module.range_of(each)


def _parameter(module: Module, node: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[int, str]:
    """Return where ``unique`` would be added to a test's parameters, and how."""
    edits = added_parameter(module, node, "unique")
    if edits is None:
        return 0, ""
    return (edits[0].start, edits[0].text) if edits else (0, "unique")


def _cleans(module: Module, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    if node.name.startswith("test"):
        return False
    for each in ast.walk(node):
        if isinstance(each, ast.Attribute) and each.attr in _CLEANS:
            return True
        if (
            isinstance(each, ast.Constant)
            and isinstance(each.value, str)
            and _TRUNCATE.match(each.value)
        ):
            return True
        if isinstance(each, ast.keyword) and each.arg == "join_transaction_mode":
            return True
        if isinstance(each, ast.Call) and module.origin(each.func).rpartition(".")[2] == "delete":
            return True
    return False
