"""``testkit reap``: remove what a dead owner left, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from testkit.cli.ps import left_as_data
from testkit.cli.settings import find_settings
from testkit.cli.tables import format_option, markdown_table
from testkit.core.messages import TestkitError
from testkit.reports.texts import printable
from testkit.servers.ownership.verdicts import UNJUDGED, plan
from testkit.servers.upkeep.inventory import Places, take_inventory
from testkit.servers.upkeep.others import sweep_others
from testkit.servers.upkeep.reap import Done, carry_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testkit.servers.ownership.verdicts import Leftover, Step

__all__ = ["command"]

_NOTHING: Final = "there is nothing to remove: no dead owner has left anything."
_PAST: Final = {"end": "ended", "remove": "removed"}


@click.command("reap")
@click.option("--dry-run", is_flag=True, help="Print what would be done, and do nothing.")
@format_option
def command(*, dry_run: bool, form: str) -> None:
    """Remove what a dead owner left: processes, directories, data; templates nobody uses.

    What is in use stays, and so does what cannot be judged from here: another user's, another
    container's, another version's. On servers that the configuration names by a URL, databases and
    leases of dead runs go.
    """
    settings, _ = find_settings(Path.cwd())
    inventory = take_inventory(Places.of(settings))
    steps = plan(inventory)
    done = [Done(step, None) for step in steps] if dry_run else list(carry_out(steps))
    done += sweep_others(settings, look=dry_run)
    alone = [left for left in inventory.leftovers if left.state == UNJUDGED]
    if form == "json":
        click.echo(_as_json(done, alone, dry_run=dry_run))
    elif form == "markdown":
        click.echo(_as_markdown(done, dry_run=dry_run))
    else:
        click.echo(_as_text(done, alone, dry_run=dry_run))
    failed = [f"{_named(item.step)}: {item.problem}" for item in done if item.problem]
    if failed:
        raise TestkitError("TK507", left="\n".join(failed))


def _as_json(done: Sequence[Done], alone: Sequence[Leftover], *, dry_run: bool) -> str:
    steps = [
        {
            "action": item.step.action,
            "what": item.step.what,
            "path": item.step.path,
            "pid": item.step.process and item.step.process.pid,
            "why": item.step.why,
            "done": not dry_run and item.problem is None,
            "problem": item.problem,
        }
        for item in done
    ]
    left = [left_as_data(item) for item in alone]
    facts = {"version": 1, "dry_run": dry_run, "steps": steps, "left_alone": left}
    return json.dumps(facts, indent=2)


def _as_markdown(done: Sequence[Done], *, dry_run: bool) -> str:
    rows = [
        [_word(item, dry_run=dry_run), _named(item.step), item.problem or item.step.why]
        for item in done
    ]
    return markdown_table(("done", "what", "why"), rows) if rows else _NOTHING


def _as_text(done: Sequence[Done], alone: Sequence[Leftover], *, dry_run: bool) -> str:
    lines = [
        f"{_word(item, dry_run=dry_run)} {_named(item.step)} ({item.problem or item.step.why})"
        for item in done
    ] or [_NOTHING]
    lines += [f"left alone: {left.kind} {left.path} ({left.state})" for left in alone]
    return "\n".join(map(printable, lines))


def _word(item: Done, *, dry_run: bool) -> str:
    if dry_run:
        return f"would {item.step.action}"
    return _PAST[item.step.action] if item.problem is None else f"could not {item.step.action}"


def _named(step: Step) -> str:
    who = "" if step.process is None else f" {step.process.pid} of"
    return f"{step.what}{who} {step.path}"
