"""What a command prints of one thing: a line for each of its fields, or JSON."""

import json
from collections.abc import Mapping

import click
from pydantic import BaseModel

from cos.cli.output import as_text

__all__ = ["as_row", "print_record"]


def as_row(model: BaseModel) -> dict[str, object]:
    """Return the fields of ``model`` for `print_record` and for a row of a table."""
    return model.model_dump()


def print_record(record: BaseModel, *, as_json: bool) -> None:
    """Print the fields in their order on standard output."""
    if as_json:
        click.echo(record.model_dump_json(indent=2))
        return
    width = max(map(len, type(record).model_fields))
    for name, value in as_row(record).items():
        shown = json.dumps(value) if isinstance(value, Mapping) else as_text(value)
        click.echo(f"{name.replace('_', ' '):{width}}  {shown}")
