"""``testkit triage``: the failures of a run, grouped by cause."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from testkit.cli.judged import judged, read_run
from testkit.cli.settings import find_settings
from testkit.cli.tables import printable
from testkit.core.messages import TestkitError
from testkit.core.runs.causes import triage_json

if TYPE_CHECKING:
    from testkit.core.runs.causes import Triage

__all__ = ["command", "write_report"]

_FORMS: Final = ("text", "json", "markdown", "github", "html", "agent")
_RENDERING: Final = "testkit.reports.rendering"


@click.command("triage")
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMS),
    default="text",
    show_default=True,
    help="What the report is written as.",
)
@click.option("--output", type=click.Path(path_type=Path), help="Write the report to this file.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Show the N causes with most failures; 0 shows all, as does json.",
)
@click.argument("runs", nargs=-1, metavar="[RUN]…")
def command(*, form: str, output: Path | None, limit: int, runs: tuple[str, ...]) -> None:
    """Group the failures of a run by cause.

    RUN is a run record, JUnit XML of pytest or a report log of pytest, packed or not, or one of
    the words `last` and `previous`; several are one run, as the shards of one. Without a RUN the
    last record of the project is read. Exit codes: 0 green, 1 failures or a run that is not
    known to be green, 2 wrong use, 3 the environment failed.
    """
    _, root = find_settings(Path.cwd())
    found = judged(read_run(runs, root), root)
    write_report(_rendered(_limited(found, limit, form), form, to_file=output is not None), output)
    if found.failures or not found.complete:
        sys.exit(1)


def write_report(text: str, output: Path | None) -> None:
    """Write a report to a file, or to standard output. Raises TK705."""
    # A record may hold halves of pairs of surrogates, which no file takes.
    data = text.rstrip("\n").encode("utf-8", "backslashreplace") + b"\n"
    if output is None:
        click.echo(data, nl=False)
        return
    try:
        output.write_bytes(data)
    except OSError as error:
        raise TestkitError("TK705", path=output, problem=error.strerror or error) from error


def _limited(found: Triage, limit: int, form: str) -> Triage:
    rest = found.causes[limit:] if limit and form != "json" else ()
    if not rest:
        return found
    failures = sum(len(cause.failures) for cause in rest)
    left = f"Not shown: {len(rest)} more causes with {failures} failures (--limit {limit})."
    return replace(found, causes=found.causes[:limit], lacks=(*found.lacks, left))


def _rendered(found: Triage, form: str, *, to_file: bool) -> str:
    if form == "json":
        return json.dumps(triage_json(found), indent=2)
    if find_spec(_RENDERING) is None:
        return _plain(found)
    terminal = not to_file and sys.stdout.isatty()
    colour = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    width = shutil.get_terminal_size().columns if terminal else 100
    render = import_module(_RENDERING).render
    return str(render(found, format=form, width=width, colour=colour))


def _plain(found: Triage) -> str:
    """Return the causes as lines, for an installation without the forms of reports."""
    lines = [f"{found.failures} failures, {len(found.causes)} causes: {found.title}"]
    for cause in found.causes:
        lines += ["", f"{cause.id}  {len(cause.failures)} failures: {cause.title}"]
        lines += [f"  {part}" for part in (cause.place, cause.fix) if part]
    return "\n".join(map(printable, [*lines, "", *found.lacks]))
