"""``testkit down``: ends what ``testkit up`` left."""

from __future__ import annotations

from pathlib import Path

import click

from testkit.cli.run import say
from testkit.cli.settings import find_settings
from testkit.servers.roads.standing import databases_in_use, standing_servers, take_down

__all__ = ["command"]


@click.command("down")
@click.option("--all", "everywhere", is_flag=True, help="Those of every checkout.")
def command(*, everywhere: bool) -> None:
    """Stop the servers that `testkit up` left for this checkout; their data is gone then."""
    _, root = find_settings(Path.cwd())
    doomed = [each for each in standing_servers() if everywhere or each.root == str(root)]
    used = sum(len(databases_in_use(standing)) for standing in doomed)
    stopped = sum(len(standing.kept_alive) for standing in doomed)
    for standing in doomed:
        take_down(standing)
    if used:
        say(f"{used} database{'s' * (used != 1)} of runs that were at work went with them")
    say(f"{stopped or 'no'} server{'s' * (stopped != 1)} stopped")
