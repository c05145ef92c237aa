"""``testkit history``: what many runs tell of a test, of flaky ones, of slow ones."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import Final

import click

from testkit.cli.remembered import Page, flaky_page, overview, slowest_page, test_page, written
from testkit.cli.settings import find_settings
from testkit.cli.tables import format_option
from testkit.core.messages import TestkitError
from testkit.core.uncollected import uncollected
from testkit.record.history.flaky import flaky
from testkit.record.history.slowest import durations, slower
from testkit.record.history.store import database_of, known_tests, runs_of, work_at
from testkit.reports.texts import printable

__all__ = ["command"]

_LIMIT: Final = 20
_MANY: Final = 5_000  # likeness of so many names takes a while


@click.command("history")
@format_option
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=_LIMIT,
    show_default=True,
    metavar="N",
    help="Show the first N rows, all with 0; json always has all.",
)
@click.argument("what", required=False, metavar="[NODEID|flaky|slowest]")
def command(*, form: str, limit: int, what: str | None) -> None:
    """Show what the runs of this project tell: of one test, of flaky ones, of the slowest.

    Without a word: how many runs there are, and what each came to. Exit codes: 0 nothing to
    find, 1 `flaky` found some, 2 wrong use, 3 the environment failed.
    """
    settings, root = find_settings(Path.cwd())
    database = database_of(settings.history, root)
    if database is None:
        raise TestkitError("TK733", database='a file, for history = ""')
    with uncollected(), work_at(database) as connection:
        runs = runs_of(connection, database)
    page: Page
    match what:
        case None:
            page = overview(runs)
        case "flaky":
            page = flaky_page(flaky(runs), len(runs))
        case "slowest":
            page = slowest_page(durations(runs), slower(runs))
        case nodeid:
            known = known_tests(runs)
            if nodeid not in known:
                near = difflib.get_close_matches(nodeid, known, n=1) if len(known) < _MANY else []
                nearest = f" Is it {printable(near[0])}?" if near else ""
                raise TestkitError("TK734", nodeid=printable(nodeid), nearest=nearest)
            page = test_page(nodeid, runs, flaky(runs))
    click.echo(written(page, form, limit))
    if what == "flaky" and page.rows:
        sys.exit(1)
