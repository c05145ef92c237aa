"""The mapped classes of a file: table, bases, columns with their types and what is unique."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from testkit.doctor.static.module import Module

__all__ = ["Column", "Model", "columns_of", "is_base", "models_of", "named_model"]

_COLUMNS: Final = frozenset(("Column", "mapped_column"))
_RELATIONS: Final = frozenset(("relationship", "relation"))


class Column(TypedDict):
    """A column: ``type`` is its dotted name in SQLAlchemy or Python, "" where it is not told.

    ``length`` is the most characters that it takes, 0 where it names none. ``default`` is the text
    of an expression for the default's value, "" where only SQLAlchemy can work it out. ``foreign``
    is what its foreign key names, "?" where that is no text, "" where it has none.
    """

    type: str
    length: int
    default: str
    unique: bool
    primary: bool
    foreign: str
    line: int


class Model(TypedDict):
    """A mapped class: ``table`` is "" where the class itself names none.

    ``relations`` are the names of classes that its relationships name as texts, with their lines.
    A base that a relative import gives begins with a dot. ``together`` are the columns that are
    unique together. ``behind`` is where the last of its columns ends, and how far from the left
    it begins.
    """

    name: str
    line: int
    table: str
    bases: list[str]
    columns: dict[str, Column]
    relations: list[tuple[str, int]]
    together: list[list[str]]
    behind: tuple[int, int]


def models_of(module: Module) -> list[Model] | None:
    """Return the classes that look mapped, at any depth; None where there is none."""
    found = [
        model
        for node in module.nodes
        if isinstance(node, ast.ClassDef) and (model := _model(module, node))
    ]
    return found or None


def _model(module: Module, node: ast.ClassDef) -> Model | None:
    columns: dict[str, Column] = {}
    relations: list[tuple[str, int]] = []
    together: list[list[str]] = []
    table = ""
    for name, value, annotation, line in _attributes(node):
        if name == "__tablename__":
            table = _text(value)
        elif name == "__table_args__":
            together += _together(module, value)
        elif isinstance(value, ast.Call) and _last(module, value) in _RELATIONS:
            relations += [(target, line) for target in _targets(value, annotation)]
        elif column := _column(module, value, annotation, line):
            columns[name] = column
    if not (table or columns):
        return None
    bases = [_base(module, base) for base in node.bases]
    return Model(
        name=node.name,
        line=node.lineno,
        table=table,
        bases=[base for base in bases if base],
        columns=columns,
        relations=relations,
        together=together,
        behind=_behind(module, node, columns),
    )


def _base(module: Module, node: ast.expr) -> str:
    name = module.origin(node)
    return f".{name}" if name.partition(".")[0] in module.relative_names else name


def _attributes(
    node: ast.ClassDef,
) -> Iterator[tuple[str, ast.expr | None, ast.expr | None, int]]:
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            yield statement.target.id, statement.value, statement.annotation, statement.lineno
        elif isinstance(statement, ast.Assign):
            for target in statement.targets:
                if isinstance(target, ast.Name):
                    yield target.id, statement.value, None, statement.lineno


def _column(
    module: Module, value: ast.expr | None, annotation: ast.expr | None, line: int
) -> Column | None:
    mapped = _mapped(module, annotation)
    if isinstance(value, ast.Call) and _is_column(module, value):
        given = {word.arg: word.value for word in value.keywords if word.arg}
        types = [*value.args, *([given["type_"]] if "type_" in given else [])]
        kind = next((name for each in types if (name := _type(module, each))), "")
        return Column(
            type=kind or mapped,
            length=next((most for each in types if (most := _length(each))), 0),
            default=_default(module, given.get("default")),
            unique=_is_true(given.get("unique")),
            primary=_is_true(given.get("primary_key")),
            foreign=_foreign(module, value),
            line=line,
        )
    if value is None and mapped:
        return Column(
            type=mapped,
            length=0,
            default="",
            unique=False,
            primary=False,
            foreign="",
            line=line,
        )
    return None


def _foreign(module: Module, column: ast.Call) -> str:
    named = [word.value for word in column.keywords if word.arg == "foreign_key"]
    for each in column.args:
        if isinstance(each, ast.Call) and _last(module, each) == "ForeignKey":
            named += each.args[:1] or [each]
    return (_text(named[0]) or "?") if named else ""


def _is_column(module: Module, call: ast.Call) -> bool:
    name = module.origin(call.func)
    head, _, last = name.rpartition(".")
    if last in _COLUMNS:
        return True
    return last == "Field" and head.startswith("sqlmodel")


def _type(module: Module, node: ast.expr) -> str:
    """Return the dotted name of a column's type, "" for a name, a foreign key or a constraint."""
    function = node.func if isinstance(node, ast.Call) else node
    name = module.origin(function)
    last = name.rpartition(".")[2]
    if not last[:1].isupper() or last in {"ForeignKey", "Identity", "Computed", "Sequence"}:
        return ""
    if isinstance(node, ast.Call) and any(
        word.arg == "as_uuid" and isinstance(word.value, ast.Constant) and word.value.value is False
        for word in node.keywords
    ):
        return f"{name}(as_uuid=False)"
    return name


def _default(module: Module, node: ast.expr | None) -> str:
    """Return the text of what makes a default: a constant, or a call of a function without any."""
    if isinstance(node, ast.Constant) and node.value is not None:
        return module.segment(node)
    if isinstance(node, ast.Lambda) and not ast.unparse(node.args):
        return f"{module.segment(node.body)}"
    if isinstance(node, ast.Name | ast.Attribute):
        name = module.origin(node)
        known = name in {"list", "dict", "set"} or name.partition(".")[0] in {"uuid", "datetime"}
        return f"{module.segment(node)}()" if known else ""
    return ""


def _behind(module: Module, node: ast.ClassDef, columns: Mapping[str, Column]) -> tuple[int, int]:
    """Return where the last column's line ends, a comment included."""
    lines = {column["line"] for column in columns.values()}
    last = [each for each in node.body if each.lineno in lines]
    if not last:
        return 0, 0
    _, end = module.range_of(last[-1])
    newline = module.text.find("\n", end)
    return newline if newline >= 0 else len(module.text), last[-1].col_offset


def _length(node: ast.expr) -> int:
    """Return the length that a type such as ``String(40)`` names."""
    if not isinstance(node, ast.Call):
        return 0
    given = [*node.args[:1], *(word.value for word in node.keywords if word.arg == "length")]
    return next(
        (
            each.value
            for each in given
            if isinstance(each, ast.Constant) and type(each.value) is int
        ),
        0,
    )


def _mapped(module: Module, annotation: ast.expr | None) -> str:
    """Return what ``Mapped[...]`` holds, without None; "" for other annotations."""
    if not isinstance(annotation, ast.Subscript):
        return ""
    if module.origin(annotation.value).rpartition(".")[2] != "Mapped":
        return ""
    node = annotation.slice
    if isinstance(node, ast.Subscript) and module.origin(node.value).endswith("Optional"):
        node = node.slice
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        sides = [each for each in (node.left, node.right) if not _is_none(each)]
        node = sides[0] if len(sides) == 1 else node
    return module.origin(node)


def _together(module: Module, value: ast.expr | None) -> list[list[str]]:
    return [
        [_text(each) for each in call.args]
        for call in ast.walk(value or ast.Constant(None))
        if isinstance(call, ast.Call)
        and _last(module, call) == "UniqueConstraint"
        and all(_text(each) for each in call.args)
    ]


def _targets(call: ast.Call, annotation: ast.expr | None) -> list[str]:
    texts = [_text(each) for each in call.args[:1]]
    texts += [_text(word.value) for word in call.keywords if word.arg == "argument"]
    if isinstance(annotation, ast.Subscript):
        texts += [
            each.value
            for each in ast.walk(annotation.slice)
            if isinstance(each, ast.Constant) and isinstance(each.value, str)
        ]
    return [text for text in texts if text.isidentifier()]


def _last(module: Module, call: ast.Call) -> str:
    return module.origin(call.func).rpartition(".")[2]


def _text(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _is_true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def named_model(models: Mapping[str, Sequence[Model]], name: str) -> Model | None:
    """Return the one class that a dotted name stands for, None where it may be another's.

    ``models`` are those of a project's files by path.
    """
    head, _, last = name.rpartition(".")
    found = [
        (path, model) for path, each in models.items() for model in each if model["name"] == last
    ]
    if len(found) > 1 and head:
        place = "/" + head.replace(".", "/")
        near = [one for one in found if one[0].removesuffix(".py").endswith(place)]
        found = near or found
    return found[0][1] if len(found) == 1 else None


def columns_of(models: Mapping[str, Sequence[Model]], model: Model) -> dict[str, Column]:
    """Return the columns of a class with those of the classes that it is made of."""
    found: dict[str, Column] = {}
    waiting, seen = [model], {id(model)}
    while waiting:
        one = waiting.pop(0)
        found = one["columns"] | found
        for base in one["bases"]:
            inner = named_model(models, base)
            if inner and id(inner) not in seen:
                seen.add(id(inner))
                waiting.append(inner)
    return found


def is_base(base: str, name: str) -> bool:
    """Return whether a class's base is the one of this dotted name, as far as can be told."""
    if base.startswith("."):
        return base.rpartition(".")[2] == name.rpartition(".")[2]
    return base == name
