"""``testkit explain CODE``."""

from __future__ import annotations

import difflib

import click

from testkit.core.catalogue import CATALOGUE
from testkit.core.messages import TestkitError, explain

__all__ = ["command"]


@click.command("explain")
@click.argument("code", required=False)
def command(code: str | None) -> None:
    """Print the long text of a message; without CODE, list all of them."""
    if code is None:
        for known, message in CATALOGUE.items():
            click.echo(f"{known}  {message.title}")
        return
    wanted = code.upper()
    if wanted not in CATALOGUE:
        nearest = difflib.get_close_matches(wanted, CATALOGUE, n=1, cutoff=0)[0]
        click.echo(str(TestkitError("TK502", code=code, nearest=nearest)), err=True)
        raise SystemExit(2)
    click.echo(explain(wanted))
