"""The fixtures that a file defines, those that its tests ask for, and the plugins that it names."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.doctor.static.module import Module

__all__ = ["Fixtures", "fixtures_of"]

_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)


class Fixtures(TypedDict):
    """By name the line of each: fixtures that are defined, and names that are asked for.

    ``plugins`` are the modules of ``pytest_plugins``; ``loads`` says that a hook registers plugins.
    """

    defined: dict[str, int]
    asked: dict[str, int]
    plugins: list[str]
    loads: bool


def fixtures_of(module: Module) -> Fixtures | None:
    """Return what a file says of fixtures, None where it says nothing."""
    defined: dict[str, int] = {}
    asked: dict[str, int] = {}
    for node in module.nodes:
        if not isinstance(node, _FUNCTIONS):
            continue
        name = _fixture(module, node)
        if name:
            defined.setdefault(name, node.lineno)
        elif not (node.name.startswith("test") and module.is_test):
            continue
        known = {"self", "cls", "request", *_parametrized(node)}
        for each in (*node.args.posonlyargs, *node.args.args):
            if each.arg not in known and not _has_default(node, each):
                asked.setdefault(each.arg, node.lineno)
    plugins = [
        text.value
        for node in module.tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and _target(node) == "pytest_plugins"
        for text in ast.walk(node)
        if isinstance(text, ast.Constant) and isinstance(text.value, str)
    ]
    loads = any(name.endswith((".register", ".import_plugin")) for _, name in module.calls())
    if not (defined or asked or plugins or loads):
        return None
    return Fixtures(defined=defined, asked=asked, plugins=plugins, loads=loads)


def _fixture(module: Module, node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """Return the name of the fixture that a function is, else ""."""
    for decorator in node.decorator_list:
        call = decorator if isinstance(decorator, ast.Call) else None
        name = module.origin(call.func if call else decorator)
        if name.rpartition(".")[2] in {"fixture", "yield_fixture"}:
            named = [word.value for word in call.keywords if word.arg == "name"] if call else []
            if named and isinstance(named[0], ast.Constant) and isinstance(named[0].value, str):
                return named[0].value
            return node.name
    return ""


def _parametrized(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """Give the names that a decorator may give a value to: all words of its first texts."""
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call):
            for text in ast.walk(decorator):
                if isinstance(text, ast.Constant) and isinstance(text.value, str):
                    yield from text.value.replace(",", " ").split()


def _has_default(node: ast.FunctionDef | ast.AsyncFunctionDef, each: ast.arg) -> bool:
    names = [*node.args.posonlyargs, *node.args.args]
    return each in names[len(names) - len(node.args.defaults) :] if node.args.defaults else False


def _target(node: ast.Assign | ast.AnnAssign) -> str:
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    return target.id if isinstance(target, ast.Name) else ""
