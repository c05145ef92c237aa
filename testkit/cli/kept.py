"""The databases of failed tests: listed, and opened on a server of their own."""

from __future__ import annotations

import dataclasses
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import click

from testkit.cli.child import run_child
from testkit.cli.run import end_like, say
from testkit.cli.settings import find_settings
from testkit.cli.shell import psql_program
from testkit.cli.tables import text_table
from testkit.reports.texts import printable
from testkit.servers.kept.shelf import choose, kept_in, root_above
from testkit.servers.shells.target import psql_variables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testkit.servers.kept.shelf import Kept
    from testkit.servers.run import Run

__all__ = ["list_kept", "open_kept"]

_HEADINGS: Final = ("TEST", "FAILED IN", "AT (UTC)", "SIZE", "POSTGRES", "RUN", "WORKER")


def list_kept() -> None:
    """Print what is kept, the newest first."""
    root = root_above(Path.cwd())
    found = kept_in(root) if root is not None else []
    if not found:
        click.echo("No database of a failed test is kept here.")
        return
    click.echo(text_table(_HEADINGS, [_row(each) for each in found]))


def open_kept(wanted: str, arguments: Sequence[str]) -> NoReturn:
    """Restore the database of a test and open psql on it; end as psql ended.

    Raises TK352 to TK355, TK506, and what the start of a server raises.
    """
    root = root_above(Path.cwd()) or Path.cwd()
    kept = choose(kept_in(root), wanted, root)
    settings, project = find_settings(root)
    # What was kept brings its own schema.
    plain = dataclasses.replace(settings, schema=None, baseline=None)
    end_like(lambda run: _opened(run, kept, arguments), plain, project, started_by="testkit psql")


def _opened(run: Run, kept: Kept, arguments: Sequence[str]) -> int:
    server = run.ensure_database()
    facts = json.loads(server.to_json())
    program = psql_program(facts)
    from testkit.servers.kept.restore import restore

    restore(kept, server, run.database)
    say(
        f"the database of {printable(kept.nodeid)}, which failed in its {kept.origin.phase} at"
        f" {_moment(kept)} UTC, on Postgres {server.version}, {server.backend}"
    )
    variables = psql_variables(facts, run.database)
    return run_child([program, *arguments], os.environ | variables)


def _row(kept: Kept) -> tuple[str, ...]:
    return (
        kept.nodeid,
        kept.origin.phase,
        _moment(kept),
        f"{max(kept.size >> 10, 1):,} kB",
        kept.contents.server_version,
        kept.origin.run,
        kept.origin.worker,
    )


def _moment(kept: Kept) -> str:
    return datetime.fromtimestamp(kept.at, UTC).strftime("%Y-%m-%d %H:%M:%S")
