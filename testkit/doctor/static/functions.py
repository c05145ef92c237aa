"""Functions as pytest sees them: tests, fixtures and their scope, and what they can be given."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Edit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.doctor.static.module import Module

__all__ = ["Function", "added_parameter", "fixture_scope", "is_unittest", "tests_and_fixtures"]

Function = ast.FunctionDef | ast.AsyncFunctionDef
_HEAD: Final = re.compile(r"(?:async\s+)?def\s+\w+\(\s*")


def tests_and_fixtures(module: Module) -> Iterator[Function]:
    """Give the tests and fixtures of a file, at the top and in classes; not functions in them."""
    waiting: list[ast.stmt] = list(reversed(module.tree.body))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.ClassDef):
            waiting += reversed(node.body)
        elif isinstance(node, Function) and (
            (module.is_test and node.name.startswith("test")) or fixture_scope(module, node)
        ):
            yield node


def fixture_scope(module: Module, node: Function) -> str:
    """Return the scope of a fixture, "?" for one that is worked out, "" where it is no fixture."""
    for decorator in node.decorator_list:
        call = decorator if isinstance(decorator, ast.Call) else None
        name = module.origin(call.func if call else decorator)
        if name.rpartition(".")[2] in {"fixture", "yield_fixture"}:
            told = [word.value for word in call.keywords if word.arg == "scope"] if call else []
            if not told:
                return "function"
            scope = told[0]
            return str(scope.value) if isinstance(scope, ast.Constant) else "?"
    return ""


def is_unittest(module: Module, node: ast.AST) -> bool:
    """Return whether a function is a method of a class that looks like one of unittest."""
    above = module.parents.get(node)
    return isinstance(above, ast.ClassDef) and any(
        "TestCase" in module.origin(base) for base in above.bases
    )


def added_parameter(module: Module, node: Function, name: str) -> tuple[Edit, ...] | None:
    """Return the edit that gives a function one more fixture, none where it has it.

    None where nobody can tell where it belongs: behind ``*`` and defaults, in methods of unittest,
    under Hypothesis, which runs a test many times within one fixture.
    """
    given = node.args
    names = [*given.posonlyargs, *given.args]
    if any(each.arg == name for each in names):
        return ()
    drawn = any("given" in module.origin(_called(each)) for each in node.decorator_list)
    if given.vararg or given.kwarg or given.kwonlyargs or given.defaults or drawn:
        return None
    if is_unittest(module, node):
        return None
    if names:
        _, end = module.range_of(names[-1])
        return (Edit(end, end, f", {name}"),)
    start, _ = module.range_of(node)
    match = _HEAD.match(module.text, start)
    return (Edit(match.end(), match.end(), name),) if match else None


def _called(decorator: ast.expr) -> ast.expr:
    return decorator.func if isinstance(decorator, ast.Call) else decorator
