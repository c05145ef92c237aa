"""Findings as text, JSON, Markdown and commands of GitHub; what comes from a project is data."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from testkit.cli.tables import markdown_table
from testkit.reports.texts import printable
from testkit.reports.workflow import annotation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from testkit.doctor.finding import Finding

__all__ = ["FORMS", "relative"]

_HEADINGS: Final = ("code", "severity", "where", "what")


def as_text(findings: Sequence[Finding], summary: Mapping[str, Any]) -> str:
    """Return a line for each finding, then what was looked at."""
    lines = [f"{_place(each)}: {each.code} {each.severity}: {each.message}" for each in findings]
    return "\n".join(map(printable, [*lines, *_closing(summary)]))


def as_json(findings: Sequence[Finding], summary: Mapping[str, Any]) -> str:
    """Return one object with ``version``, ``findings`` and ``summary``."""
    rows = [_row(each) for each in findings]
    return json.dumps({"version": 1, "findings": rows, "summary": summary}, indent=2)


def _row(finding: Finding) -> dict[str, object]:
    row: dict[str, object] = dataclasses.asdict(finding)
    del row["edits"], row["imports"]  # how, which is nobody's to read
    return row | {
        "path": relative(finding.path),
        "fixable": finding.fixable,
        "message": finding.message,
    }


def as_markdown(findings: Sequence[Finding], summary: Mapping[str, Any]) -> str:
    """Return a table, for a summary of a job."""
    rows = [[each.code, each.severity, _place(each), each.message] for each in findings]
    table = [markdown_table(_HEADINGS, rows), ""] if rows else []
    return "\n".join([*table, *map(printable, _closing(summary))])


def as_github(findings: Sequence[Finding], summary: Mapping[str, Any]) -> str:
    """Return a workflow command for each finding, which shows it beside the line."""
    lines = [
        annotation(
            each.severity,
            each.message,
            file=relative(each.path),
            line=each.line,
            col=each.column,
            title=f"{each.code} {each.subject}".strip(),
        )
        for each in findings
    ]
    return "\n".join([*lines, *map(printable, _closing(summary))])


def _closing(summary: Mapping[str, Any]) -> list[str]:
    counts = [
        f"{summary[many]} {one if summary[many] == 1 else many}"
        for one, many in (
            ("error", "errors"),
            ("warning", "warnings"),
            ("factory", "factories"),
            ("trait", "traits"),
            ("file", "files"),
        )
    ]
    # Rules that only read know nothing of factories.
    form = "{}, {} in {} with {}, of {}." if summary["factories"] else "{0}, {1} in {4}."
    return [form.format(*counts)]


def _place(finding: Finding) -> str:
    return f"{relative(finding.path)}:{finding.line}:{finding.column}"


def relative(path: str) -> str:
    """Return the path as it is seen from the current folder, whole where it lies elsewhere."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path


FORMS: Final[dict[str, Callable[[Sequence[Finding], Mapping[str, Any]], str]]] = {
    "text": as_text,
    "json": as_json,
    "markdown": as_markdown,
    "github": as_github,
}
