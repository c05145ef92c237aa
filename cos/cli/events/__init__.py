"""``python -m cos events``: one file per command."""

import click

from cos.cli.events import listing, replay, tail

__all__ = ["command"]


@click.group()
def command() -> None:
    """Follow, list and replay the events of the modules."""


command.add_command(listing.command, "list")
command.add_command(replay.command, "replay")
command.add_command(tail.command, "tail")
