"""A text with the edits of its findings: formatting kept, the imports added that they need."""

from __future__ import annotations

import ast
import warnings
from typing import TYPE_CHECKING

import libcst
from libcst.codemod import CodemodContext
from libcst.codemod.visitors import AddImportsVisitor

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from testkit.doctor.finding import Edit, Finding

__all__ = ["rewritten"]


def rewritten(text: str, findings: Sequence[Finding]) -> tuple[str, list[Finding]]:
    """Return the text with the edits of the findings, and the findings whose edits were made.

    One whose edits touch those of an earlier one is not among them: it is for another round. Nor
    is one whose edits give a text that Python cannot read, which would be a mistake of its rule.
    """
    chosen = _apart(findings)
    new = _edited(text, chosen)
    if new is not None:
        return new, chosen
    done: list[Finding] = []
    for finding in chosen:
        tried = _edited(text, [*done, finding])
        if tried is not None:
            new, done = tried, [*done, finding]
    return text if new is None else new, done


def _apart(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings whose edits do not touch; the same edit of two is one."""
    taken: set[Edit] = set()
    chosen = []
    for finding in findings:
        edits = set(finding.edits)
        if not edits:
            continue
        if any(_touch(one, other) for one in edits - taken for other in taken - edits):
            continue
        taken |= edits
        chosen.append(finding)
    return chosen


def _touch(one: Edit, other: Edit) -> bool:
    if one.start == one.end == other.start == other.end:
        return True
    return one.start < other.end and other.start < one.end


def _edited(text: str, findings: Iterable[Finding]) -> str | None:
    """Return the text with all edits, None where Python cannot read what comes of it."""
    edits = {edit for finding in findings for edit in finding.edits}
    imports = {name for finding in findings for name in finding.imports}
    new = text
    for edit in sorted(edits, key=lambda each: (each.start, each.end), reverse=True):
        new = new[: edit.start] + edit.text + new[edit.end :]
    try:
        new = _with_imports(new, sorted(imports)) if imports else new
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(new)
    except (SyntaxError, ValueError, RecursionError, libcst.ParserSyntaxError):
        return None
    return new


def _with_imports(text: str, names: Iterable[str]) -> str:
    context = CodemodContext()
    for name in names:
        module, _, last = name.rpartition(".")
        if module:
            AddImportsVisitor.add_needed_import(context, module, last)
        else:
            AddImportsVisitor.add_needed_import(context, last)
    return AddImportsVisitor(context).transform_module(libcst.parse_module(text)).code
