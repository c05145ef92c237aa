"""Tables for people and for Markdown; what comes from a run is shown as data."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeVar

import click

from testkit.reports.texts import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["format_option", "markdown_table", "text_table"]

_Command = TypeVar("_Command", bound="Callable[..., object]")
_MARKS: Final = re.compile(r"([\\`*_{}\[\]<>#|~&])")


def format_option(command: _Command) -> _Command:
    """Add ``--format`` to a command that prints a report."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(["text", "json", "markdown"]),
        default="text",
        show_default=True,
        help="What the report is written as.",
    )(command)


def text_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return aligned columns under their headings; a path with control characters is harmless."""
    lines = [list(headings), *([printable(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the table in Markdown; marks in the cells are escaped."""
    lines = [list(headings), ["---"] * len(headings), *([_escaped(c) for c in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escaped(text: str) -> str:
    return _MARKS.sub(r"\\\1", printable(text))
