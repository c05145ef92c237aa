"""``testkit triage``: the failures of a run, grouped by cause."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from testkit.cli.judged import judged, read_run
from testkit.cli.settings import find_settings
from testkit.core.messages import TestkitError
from testkit.record.history.store import database_of
from testkit.reports.rendering import FORMS, render

if TYPE_CHECKING:
    from testkit.core.runs.causes import Triage
    from testkit.reports.rendering import Form

__all__ = ["command", "write_report"]

_WIDTH: Final = 100


@click.command("triage")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMS),
    default="text",
    show_default=True,
    help="What the report is written as.",
)
@click.option("--output", type=click.Path(path_type=Path), help="Write the report to this file.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    metavar="N",
    help="Show the N causes with most failures, all with 0; json always has all.",
)
@click.argument("runs", nargs=-1, metavar="[RUN]…")
def command(*, form: Form, output: Path | None, limit: int | None, runs: tuple[str, ...]) -> None:
    """Group the failures of a run by cause.

    RUN is a run record, JUnit XML of pytest or a report log of pytest, packed or not, or one of
    the words `last` and `previous`; several are one run, as the shards of one. Without a RUN the
    last record of the project is read. Exit codes: 0 green, 1 failures or a run that is not
    known to be green, 2 wrong use, 3 the environment failed.
    """
    settings, root = find_settings(Path.cwd())
    found = judged(read_run(runs, root), database_of(settings.history, root))
    text = _rendered(found, form, limit, to_file=output is not None)
    summary = os.environ.get("GITHUB_STEP_SUMMARY", "") if form == "github" else ""
    if summary and output is None:
        text = _summarised(found, limit, Path(summary))
    write_report(text, output)
    if found.failures or not found.complete:
        sys.exit(1)


def _summarised(found: Triage, limit: int | None, summary: Path) -> str:
    """Append the job's summary to its file; return the annotations, which the log takes.

    Raises TK705 where it cannot be written.
    """
    from testkit.reports import as_github

    try:
        with summary.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(as_github.summary(found, limit=limit))
    except OSError as error:
        raise TestkitError("TK705", path=summary, problem=error.strerror or error) from error
    return "\n".join(as_github.commands(found))


def write_report(text: str, output: Path | None) -> None:
    """Write a report to a file, or to standard output. Raises TK705."""
    # A record may hold halves of pairs of surrogates, which no file takes.
    data = text.rstrip("\n").encode("utf-8", "backslashreplace") + b"\n"
    if output is None:
        try:
            click.echo(data, nl=False)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise TestkitError(
                "TK705", path="standard output", problem=error.strerror or error
            ) from error
        return
    try:
        output.write_bytes(data)
    except OSError as error:
        raise TestkitError("TK705", path=output, problem=error.strerror or error) from error


def _rendered(found: Triage, form: Form, limit: int | None, *, to_file: bool) -> str:
    terminal = not to_file and sys.stdout.isatty()
    colour = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    width = shutil.get_terminal_size().columns if terminal else _WIDTH
    return render(found, format=form, width=width, colour=colour, limit=limit)
