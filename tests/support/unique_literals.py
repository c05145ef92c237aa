"""Texts that a test of the control center writes into unique columns, and ids that are texts.

Read from the source, without running it. A value is followed through what is assigned, looped over
or given by ``parametrize`` in the same test, and not through calls. Bodies written as bytes and
statements of SQL are not read.
"""

from __future__ import annotations

import ast
import inspect
import sys
from dataclasses import dataclass, field, is_dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

import tests.cos.factories
from cos.api.schemas import ModuleIn, ModulePatch
from cos.db.declarative import Base
from cos.models import ApiToken, Module
from cos.services.access.tokens import NewToken
from cos.services.modules import ModuleChanges, NewModule
from testkit.factories import Factory

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MAKERS", "literals", "models", "unique_texts", "uuids"]

# What the service makes rows of; the models themselves and their factories are found.
CARRIERS: Final[dict[type, type]] = {
    NewModule: Module,
    ModuleChanges: Module,
    ModuleIn: Module,
    ModulePatch: Module,
    NewToken: ApiToken,
}


def models() -> list[type]:
    """Return every model of the control center."""
    return [mapper.class_ for mapper in Base.registry.mappers]


def unique_texts(model: type) -> dict[str, int]:
    """Return the text attributes that are unique by themselves, with their longest length."""
    mapper: Any = sa.inspect(model)
    table = mapper.local_table
    groups = [set(c.columns) for c in table.constraints if isinstance(c, sa.UniqueConstraint)]
    groups += [set(index.columns) for index in table.indexes if index.unique]
    return {
        mapper.get_property_by_column(column).key: column.type.length or sys.maxsize
        for column in table.columns
        if isinstance(column.type, sa.String) and {column} in groups
    }


def uuids(model: type) -> set[str]:
    """Return the attributes that hold a UUID."""
    mapper: Any = sa.inspect(model)
    return {a.key for a in mapper.column_attrs if isinstance(a.columns[0].type, sa.Uuid)}


def _makers() -> dict[str, tuple[type, list[str]]]:
    """Return, by the name of what makes a row, its model and its positional parameters."""
    found: dict[str, tuple[type, list[str]]] = {model.__name__: (model, []) for model in models()}
    for each in vars(tests.cos.factories).values():
        if isinstance(each, type) and issubclass(each, Factory) and each is not Factory:
            found[each.__name__] = (each._meta.model, [])
    for carrier, model in CARRIERS.items():
        positional = is_dataclass(carrier)  # the others take keywords alone
        names = list(inspect.signature(carrier).parameters) if positional else []
        found[carrier.__name__] = (model, names)
    return found


MAKERS: Final = _makers()
UNIQUE: Final = {name: size for model in models() for name, size in unique_texts(model).items()}


@dataclass
class _Scope:
    """What names may stand for in one test; of what is bound elsewhere nothing is known."""

    values: dict[str, list[ast.expr]] = field(default_factory=dict)

    def bind(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self.values.setdefault(target.id, []).append(value)
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for inner, part in zip(target.elts, value.elts, strict=False):
                self.bind(inner, part)

    def read(self, statement: ast.AST) -> None:
        for node in ast.walk(statement):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    self.bind(target, node.value)
            elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
                self.bind(node.target, node.value)
            elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
                for value in _elements(node.iter):
                    self.bind(node.target, value)
            elif isinstance(node, ast.Call) and _last_name(node.func) == "parametrize":
                for value in _elements(node.args[1]):
                    self.bind(_parameters(node.args[0]), value)

    def text(self, node: ast.expr, within: frozenset[str] = frozenset()) -> str | None:
        """Return the text that is written there, None where something is drawn or computed.

        ``within`` are the names whose values are being looked at.
        """
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.FormattedValue(value=ast.Constant(value=value)):
                return str(value)
            case ast.Name(id=name):
                known = [self.text(each, within | {name}) for each in self._bound(name, within)]
                return min(filter(None, known), key=len, default=None)
        parts = _parts(node)
        texts = [None] if parts is None else [self.text(part, within) for part in parts]
        return None if None in texts else "".join(map(str, texts))

    def _bound(self, name: str, within: frozenset[str]) -> list[ast.expr]:
        # What is made from the name itself would be followed for ever.
        return [] if name in within else self.values.get(name, [])

    def is_text(self, node: ast.expr, within: frozenset[str] = frozenset()) -> bool:
        """Return whether this is a text for certain, whatever is in it."""
        match node:
            case ast.JoinedStr() | ast.Attribute(attr="hex"):
                return True
            case ast.Call(func=function):
                return _last_name(function) in {"str", "hex"}
            case ast.Name(id=name):
                bound = self._bound(name, within)
                return any(self.is_text(each, within | {name}) for each in bound)
            case ast.Constant(value=value):
                return isinstance(value, str)
        return False


def _parts(node: ast.expr) -> list[ast.expr] | None:
    """Return what a text is put together from."""
    match node:
        case ast.FormattedValue(value=inner):
            return [inner]
        case ast.JoinedStr(values=parts):
            return parts
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return [left, right]
        case ast.BinOp(left=left, op=ast.Mult(), right=ast.Constant(value=int(times))):
            return [left] * times
    return None


def _last_name(function: ast.expr) -> str:
    return getattr(function, "attr", getattr(function, "id", ""))


def _elements(node: ast.expr) -> Iterator[ast.expr]:
    """Yield what a loop over the literal gives."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node
    for each in getattr(node, "elts", []):
        case = isinstance(each, ast.Call) and _last_name(each.func) == "param"
        yield (each.args[0] if len(each.args) == 1 else ast.Tuple(each.args)) if case else each


def _parameters(node: ast.expr) -> ast.expr:
    names = [each.value for each in ast.walk(node) if isinstance(each, ast.Constant)]
    found = [ast.Name(name.strip()) for name in ",".join(map(str, names)).split(",")]
    return found[0] if len(found) == 1 else ast.Tuple(list(found))


def _named(keywords: list[ast.keyword]) -> Iterator[tuple[str, ast.expr]]:
    """Yield the keywords of a call, those of ``**{…}`` included."""
    for keyword in keywords:
        if keyword.arg is not None:
            yield keyword.arg, keyword.value
        elif isinstance(keyword.value, ast.Dict):
            yield from _items(keyword.value)


def _items(display: ast.Dict) -> Iterator[tuple[str, ast.expr]]:
    for key, value in zip(display.keys, display.values, strict=True):
        if isinstance(key, ast.Constant):
            yield str(key.value), value


def _attribute(model: type, path: str) -> tuple[type, str]:
    """Follow ``module__name`` to the model that has the attribute."""
    *relations, name = path.split("__")
    for relation in relations:
        mapper: Any = sa.inspect(model)
        found = mapper.relationships.get(relation)
        if found is not None:
            model = found.mapper.class_
    return model, name


def _given(call: ast.Call) -> Iterator[tuple[type, str, ast.expr]]:
    """Yield the attributes of rows that a call gives."""
    maker = call.func
    if isinstance(maker, ast.Attribute) and _last_name(maker.value) in MAKERS:
        maker = maker.value  # a method of a factory
    if _last_name(maker) not in MAKERS:
        return
    model, parameters = MAKERS[_last_name(maker)]
    pairs = [*zip(parameters, call.args, strict=False), *_named(call.keywords)]
    for path, value in pairs:
        yield *_attribute(model, path), value


def _fields(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield what is given under a name, for whichever row."""
    match node:
        case ast.Dict():
            yield from _items(node)
        case ast.Call(func=ast.Name(id="dict"), keywords=keywords):
            yield from _named(keywords)
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                match target:
                    case ast.Attribute(attr=name) | ast.Subscript(slice=ast.Constant(value=name)):
                        yield str(name), value


def literals(source: str) -> list[str]:
    """Return each text in a unique column, and each id that is text, as ``LINE: name``."""
    tree = ast.parse(source)
    top = [node for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign)]
    found: set[tuple[int, str]] = set()
    for statement in tree.body:
        scope = _Scope()
        for each in (*top, statement):
            scope.read(each)
        for node in ast.walk(statement):
            rows = list(_given(node)) if isinstance(node, ast.Call) else []
            texts = [(name, value) for model, name, value in rows if name in unique_texts(model)]
            ids = [(name, value) for model, name, value in rows if name in uuids(model)]
            texts += [(name, value) for name, value in _fields(node) if name in UNIQUE]
            # An empty name and one that is too long never get into the column.
            found |= {
                (value.lineno, name)
                for name, value in texts
                if 0 < len(scope.text(value) or "") <= UNIQUE[name]
            }
            found |= {(value.lineno, name) for name, value in ids if scope.is_text(value)}
    return [f"{line}: {name}" for line, name in sorted(found)]
