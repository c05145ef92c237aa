"""What a file says of Alembic: a revision with its parents and tables, or an environment."""

from __future__ import annotations

import ast
import posixpath
from typing import TYPE_CHECKING, Final, TypedDict

if TYPE_CHECKING:
    from testkit.doctor.static.module import Module

__all__ = ["Migration", "created_in", "migration_of"]


class Migration(TypedDict):
    """A revision, with "" as its id for an environment (``env.py``).

    ``line`` is that of the id, ``parents_line`` that of ``down_revision``. ``branches`` says that
    it has labels or depends on others. ``texts`` are all short texts in it, the names of tables
    among them. ``metadata`` are the dotted names that an environment gives as its target.
    """

    revision: str
    parents: list[str]
    line: int
    parents_line: int
    branches: bool
    texts: list[str]
    metadata: list[str]


_TESTS: Final = frozenset(("tests", "test", "testing", "conftest"))
# Longer texts are documents, or statements of which only those that make tables are read.
_SHORT: Final = 200


def migration_of(module: Module) -> Migration | None:
    """Return what a file is to Alembic, None for any other file."""
    assigned: dict[str, tuple[ast.expr, int]] = {}
    for node in module.tree.body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    assigned[target.id] = node.value, node.lineno
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            assigned[node.target.id] = node.value, node.lineno
    if "target_metadata" in assigned and posixpath.basename(module.path) == "env.py":
        value, line = assigned["target_metadata"]
        return Migration(
            revision="",
            parents=[],
            line=line,
            parents_line=line,
            branches=False,
            texts=[],
            metadata=_names(module, value),
        )
    if not {"revision", "down_revision"} <= assigned.keys():
        return None
    (own, line), (parents, parents_line) = assigned["revision"], assigned["down_revision"]
    if not (isinstance(own, ast.Constant) and isinstance(own.value, str)):
        return None
    others = [assigned[name][0] for name in ("branch_labels", "depends_on") if name in assigned]
    return Migration(
        revision=own.value,
        parents=_texts(parents),
        line=line,
        parents_line=parents_line,
        branches=any(_texts(each) for each in others),
        texts=sorted(
            {
                node.value
                for node in module.nodes
                if isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and (len(node.value) < _SHORT or "create table" in node.value.lower())
            }
        ),
        metadata=[],
    )


def _texts(node: ast.expr) -> list[str]:
    return [
        each.value
        for each in ast.walk(node)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    ]


def _names(module: Module, node: ast.expr) -> list[str]:
    listed = node.elts if isinstance(node, ast.List | ast.Tuple) else [node]
    return [name for each in listed if (name := module.origin(each))]


def created_in(module: Module) -> list[tuple[str, int, int]] | None:
    """Return where a file of tests makes the tables of a metadata that it imports, and of which.

    Models that are themselves among the tests do not count, nor does a test of the migrations.
    """
    name = posixpath.basename(module.path)
    if not module.is_test or "migration" in name or "alembic" in name:
        return None
    found = []
    for node in module.nodes:
        if isinstance(node, ast.Attribute) and node.attr == "create_all":
            name = module.origin(node.value)
            root = node.value
            while isinstance(root, ast.Attribute):
                root = root.value
            ours = isinstance(root, ast.Name) and root.id in module.origins
            if ours and not _TESTS.intersection(name.split(".")):
                found.append((module.segment(node.value), node.lineno, node.col_offset + 1))
    return found or None
