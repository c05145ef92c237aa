"""``testkit explain``: a message, a rule, a cause, or who drew a value."""

from __future__ import annotations

import re
import textwrap
from typing import Final

import click

from testkit.core.catalogue import CATALOGUE
from testkit.core.messages import TestkitError, explain, nearest
from testkit.doctor.groups import ALL_RULES
from testkit.doctor.page import examples_of

__all__ = ["command"]

# What was meant for a code, where nobody drew it: TK20, E1101, x.
_LIKE_A_CODE: Final = re.compile(r"[a-z]{1,2}-?[0-9]*", re.IGNORECASE)

# The id of a cause, as triage gives it.
_CAUSE: Final = re.compile(r"C-[a-z]{8}", re.IGNORECASE)


@click.command("explain")
@click.argument("what", metavar="[CODE|RULE|CAUSE|VALUE]", required=False)
def command(what: str | None) -> None:
    """Print the long text of a message or rule, a cause of the last run, or who drew a value.

    Without any, list the messages and rules.
    """
    if what is None:
        titles = {code: message.title for code, message in CATALOGUE.items()}
        titles |= {code: rule.title for code, rule in ALL_RULES.items()}
        for known, title in titles.items():
            click.echo(f"{known}  {title}")
        return
    if what.upper() in ALL_RULES:
        click.echo(ALL_RULES[what.upper()].explained)
        for heading, text in examples_of(what.upper()):
            click.echo(f"\n{heading}:\n\n{textwrap.indent(text, '    ')}")
        return
    if what.upper() in CATALOGUE:
        click.echo(explain(what.upper()))
        return
    from testkit.cli.causes import told_of_cause
    from testkit.triage.rules import BY_ID

    if what.lower() in BY_ID:
        rule = BY_ID[what.lower()]
        click.echo(f"{rule.id}: {rule.title}\n\nWhy: {rule.why}\n\nTo do: {rule.fix}")
        return
    if _CAUSE.fullmatch(what):
        click.echo(told_of_cause(what), nl=False)
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
