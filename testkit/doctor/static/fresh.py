"""Where a file reads an attribute of an object that it has just made, before anything wrote it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, TypedDict

from testkit.doctor.static.module import inside

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.doctor.static.module import Module

__all__ = ["Builders", "FreshRead", "builders_of", "fresh_reads"]

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class FreshRead(TypedDict):
    """``attribute`` of a new ``model`` is read, which was ``given`` these as keywords."""

    model: str
    given: list[str]
    attribute: str
    line: int


class Builders(TypedDict):
    """By class the last names of its bases; which have a constructor; whether "init" is heard."""

    classes: dict[str, list[str]]
    built: list[str]
    heard: bool


def builders_of(module: Module) -> Builders | None:
    """Return what may fill in attributes of new objects: constructors and listeners."""
    classes = [node for node in module.nodes if isinstance(node, ast.ClassDef)]
    built = [node.name for node in classes if _builds(module, node)]
    heard = any(
        name.rpartition(".")[2] in {"listen", "listens_for"}
        and any(isinstance(each, ast.Constant) and each.value == "init" for each in call.args)
        for call, name in module.calls()
    )
    bases = {
        node.name: [module.origin(base).rpartition(".")[2] for base in node.bases]
        for node in classes
        if node.bases
    }
    return Builders(classes=bases, built=built, heard=heard) if bases or built or heard else None


def _builds(module: Module, node: ast.ClassDef) -> bool:
    methods = {each.name for each in node.body if isinstance(each, _FUNCTIONS)}
    names = [module.origin(base) for base in node.bases]
    return (
        not methods.isdisjoint({"__init__", "__init_subclass__", "__new__", "__call__"})
        or bool(node.decorator_list or node.keywords)
        or any("Dataclass" in name or name.startswith("sqlmodel") for name in names)
        or any(name.rpartition(".")[2] == "SQLModel" for name in names)
    )


def fresh_reads(module: Module) -> list[FreshRead] | None:
    """Return the reads of ``Model(...).attribute``, and of a name behind ``name = Model(...)``.

    Behind a name only until a call gets the object, or a statement is no plain one: what a session
    or a function does with it, nobody can read here. A comparison with None knows what comes.
    """
    found = [
        _read(module, node.value, node)
        for node in module.nodes
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Load)
        and isinstance(node.value, ast.Call)
        and not _is_expected(module, node)
        and _class(module, node.value)
    ]
    for node in module.nodes:
        if isinstance(node, _FUNCTIONS):
            found += _behind_names(module, node)
    return found or None


def _class(module: Module, call: ast.Call) -> str:
    name = module.origin(call.func)
    # With ** or * nobody knows what was given.
    plain = not call.args and all(word.arg for word in call.keywords)
    return name if plain and name.rpartition(".")[2][:1].isupper() else ""


def _is_expected(module: Module, node: ast.Attribute) -> bool:
    """Return whether this is a method that is called, or compared with None."""
    above = module.parents.get(node)
    if isinstance(above, ast.Compare):
        others = [above.left, *above.comparators]
        return any(isinstance(each, ast.Constant) and each.value is None for each in others)
    return isinstance(above, ast.Call) and above.func is node


def _behind_names(
    module: Module, function: ast.FunctionDef | ast.AsyncFunctionDef
) -> Iterator[FreshRead]:
    for number, statement in enumerate(function.body):
        if not (
            isinstance(statement, ast.Assign)
            and isinstance(statement.value, ast.Call)
            and isinstance(statement.targets[0], ast.Name)
            and _class(module, statement.value)
        ):
            continue
        name = statement.targets[0].id
        set_later: set[str] = set()
        for following in function.body[number + 1 :]:
            if not isinstance(following, ast.Assert | ast.Assign | ast.AugAssign | ast.Expr):
                break
            nodes = [following, *inside(following)]
            if any(_gets(node, name) for node in nodes):
                break
            for node in nodes:
                if (
                    isinstance(node, ast.Attribute)
                    and isinstance(node.value, ast.Name)
                    and node.value.id == name
                ):
                    if isinstance(node.ctx, ast.Load) or isinstance(following, ast.AugAssign):
                        if node.attr not in set_later and not _is_expected(module, node):
                            yield _read(module, statement.value, node)
                    else:
                        set_later.add(node.attr)


def _gets(node: ast.AST, name: str) -> bool:
    """Return whether a call gets the object itself, or a name of it is made or taken anew."""
    if isinstance(node, ast.Call):
        given = [*node.args, *(word.value for word in node.keywords)]
        return any(isinstance(each, ast.Name) and each.id == name for each in given) or (
            isinstance(node.func, ast.Attribute)
            and (node.func.attr in {"flush", "commit", "refresh", "add", "execute", "__init__"})
        )
    if isinstance(node, ast.Assign):
        return any(isinstance(each, ast.Name) and each.id == name for each in node.targets)
    return False


def _read(module: Module, call: ast.Call, node: ast.Attribute) -> FreshRead:
    return FreshRead(
        model=module.origin(call.func),
        given=sorted(word.arg for word in call.keywords if word.arg),
        attribute=node.attr,
        line=node.lineno,
    )
