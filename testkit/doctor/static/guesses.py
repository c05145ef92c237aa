"""``except IntegrityError`` that takes every broken constraint for a duplicate, without looking."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final, TypedDict

from testkit.doctor.static.handlers import handlers_of, session_calls
from testkit.doctor.static.module import inside

if TYPE_CHECKING:
    from testkit.doctor.static.handlers import Handler
    from testkit.doctor.static.module import Module

__all__ = ["Guess", "guesses_of"]

_DUPLICATE: Final = re.compile(
    r"already[ _]?(?:exist|taken|in use|used|register|linked|added|been|a )|duplicate|not unique"
    r"|must be unique|is taken|entityexists",
    re.IGNORECASE,
)
_BRANCHES: Final = (ast.If, ast.IfExp, ast.Match, ast.Try, ast.Assert)
_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)


class Guess(TypedDict):
    """Where it is; ``told`` is what it says, ``made`` are the classes that the function calls."""

    line: int
    column: int
    told: str
    made: list[str]


def guesses_of(module: Module) -> list[Guess] | None:
    """Return those behind an ``add`` of rows in the same function; None where there is none."""
    found = []
    for handler in () if module.is_test else handlers_of(module):
        if handler.takes_broken_rules and not handler.looks and not _branches(handler):
            told, made = _told(handler), _made(module, handler)
            if told and made:
                node = handler.node
                found.append(
                    Guess(line=node.lineno, column=node.col_offset + 1, told=told, made=made)
                )
    return found or None


def _branches(handler: Handler) -> bool:
    return any(isinstance(node, _BRANCHES) for node in handler.inner)


def _told(handler: Handler) -> str:
    """Return what says at its end that there is one already; "" where nothing does."""
    last = handler.node.body[-1]
    value = last.exc if isinstance(last, ast.Raise) else getattr(last, "value", None)
    if not isinstance(last, ast.Raise | ast.Return) or value is None:
        return ""
    for node in ast.walk(value):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        elif isinstance(node, ast.Name | ast.Attribute):
            text = ast.unparse(node).rpartition(".")[2]
        else:
            continue
        if _DUPLICATE.search(text):
            return text.strip(" '\"")[:40]
    return ""


def _made(module: Module, handler: Handler) -> list[str]:
    """Return the classes that the function around it calls up to there, if it adds rows."""
    function = next(
        (node for node in module.above(handler.tried) if isinstance(node, _FUNCTIONS)), None
    )
    if function is None:
        return []
    calls = session_calls(module, function.body)
    if not any(method in {"add", "add_all", "merge"} for _, method, _ in calls):
        return []
    names: list[str] = []
    for node in inside(function):
        if isinstance(node, ast.Call) and node.lineno < handler.node.lineno:
            name = module.origin(node.func)
            while name and not name.rpartition(".")[2][:1].isupper():
                name = name.rpartition(".")[0]
            if name and name not in names:
                names.append(name)
    return sorted(names)
