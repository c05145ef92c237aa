"""``testkit explain CODE`` and ``testkit explain VALUE``."""

from __future__ import annotations

import re
from typing import Final

import click

from testkit.core.catalogue import CATALOGUE
from testkit.core.messages import TestkitError, explain, nearest
from testkit.doctor.groups import ALL_RULES

__all__ = ["command"]

# What was meant for a code, where nobody drew it: TK20, E1101, x.
_LIKE_A_CODE: Final = re.compile(r"[a-z]{1,2}-?[0-9]*", re.IGNORECASE)


@click.command("explain")
@click.argument("what", metavar="[CODE|VALUE]", required=False)
def command(what: str | None) -> None:
    """Print the long text of a message or rule, or who drew a value; without either, list them."""
    if what is None:
        titles = {code: message.title for code, message in CATALOGUE.items()}
        titles |= {code: rule.title for code, rule in ALL_RULES.items()}
        for known, title in titles.items():
            click.echo(f"{known}  {title}")
        return
    if what.upper() in ALL_RULES:
        click.echo(ALL_RULES[what.upper()].explained)
        return
    if what.upper() in CATALOGUE:
        click.echo(explain(what.upper()))
        return
    from testkit.cli.drawn import who_drew

    try:
        click.echo(who_drew(what))
    except TestkitError as error:
        if _LIKE_A_CODE.fullmatch(what):
            code = nearest(what.upper(), [*CATALOGUE, *ALL_RULES])
            click.echo(str(TestkitError("TK502", code=what, nearest=code)), err=True)
            raise SystemExit(2) from None
        click.echo(str(error), err=True)
        raise SystemExit(1) from None
