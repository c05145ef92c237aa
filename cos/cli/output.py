"""What a command prints for people, as a table, and for programs, as JSON."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import click

__all__ = ["as_text", "json_option", "print_rows"]

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, one document.")
"""The option ``--json`` of every command that prints rows; its parameter is ``as_json``."""


def print_rows(
    rows: Sequence[Mapping[str, object]], columns: Sequence[str], *, as_json: bool, empty: str
) -> None:
    """Print ``rows`` on standard output: those ``columns`` as a table, or all as a JSON list.

    A table has a head and no lines; without rows it is ``empty``, on standard error, so that what
    counts lines counts none.
    """
    if as_json:
        click.echo(json.dumps(list(rows), indent=2, default=_plain))
    elif rows:
        click.echo(_table([[as_text(row[column]) for column in columns] for row in rows], columns))
    else:
        click.echo(empty, err=True)


def as_text(value: object) -> str:
    """Return ``value`` for a person: one line, and nothing in it that a terminal would obey."""
    match value:
        case None:
            return "-"
        case True:
            return "yes"
        case False:
            return "no"
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        case list() | tuple() | set() | frozenset():
            return ", ".join(map(as_text, value))
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in str(value)
    )


def _table(cells: Sequence[Sequence[str]], columns: Sequence[str]) -> str:
    lines = [[column.replace("_", " ").upper() for column in columns], *cells]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _plain(value: object) -> object:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat()
        case set() | frozenset():
            return sorted(map(str, value))
    return str(value)
