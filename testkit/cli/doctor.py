"""``testkit doctor``: the door of the rules that look for defects."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from testkit.cli import doctor_scope as scope
from testkit.cli.doctor_rewriting import carry_out, show
from testkit.cli.findings import FORMS, relative
from testkit.cli.settings import find_settings
from testkit.core.addresses import kinds_named
from testkit.core.messages import TestkitError
from testkit.doctor.factories.files import find_files
from testkit.doctor.finding import Finding
from testkit.doctor.groups import READING, beside_the_point, selected
from testkit.reports.texts import printable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from testkit.doctor.static.check import Reading
    from testkit.servers.run import Run

__all__ = ["command"]

_COUNTS: Final = ("errors", "warnings", "factories", "traits", "files")
_MANY: Final = 1000
_NOTHING: Final = {**dict.fromkeys(_COUNTS, 0), "skipped": {}}


@click.command("doctor")
@click.option(
    "--select",
    multiple=True,
    metavar="CODES",
    help="Groups and codes, parted by commas; without it all rules that only read.",
)
@click.option("--ignore", multiple=True, metavar="CODES", help="Groups and codes to leave out.")
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMS)),
    default="text",
    show_default=True,
    help="What the report is written as.",
)
@click.option(
    "--baseline",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Leave out the findings that stand in this file.",
)
@click.option(
    "--write-baseline",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the findings to this file, and report none.",
)
@click.option(
    "--diff-base", metavar="REV", help="Only what is on lines changed since the branch left REV."
)
@click.option("--fix", is_flag=True, help="Rewrite what can be rewritten safely.")
@click.option("--diff", is_flag=True, help="Show what --fix would write; with --fix what it wrote.")
@click.option("--verify", is_flag=True, help="With --fix: run the suite before and after.")
@click.argument("paths", nargs=-1, metavar="[PATH]…", type=click.Path(exists=True, path_type=Path))
def command(
    *,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    form: str,
    baseline: Path | None,
    write_baseline: Path | None,
    diff_base: str | None,
    fix: bool,
    diff: bool,
    verify: bool,
    paths: tuple[Path, ...],
) -> None:
    """Look for defects of models and tests, in PATHs or in the whole project.

    Rules read the files; nothing of the project is imported. Only the group `factories` runs code:
    it imports the project as pytest does, on servers of its own, and rolls back what it writes.
    Exit codes: 0 fine, 1 findings, 2 wrong use, 3 the environment failed.
    """
    if verify and not fix:
        raise click.UsageError("--verify needs --fix")
    if (fix or diff) and (baseline or write_baseline or diff_base):
        raise click.UsageError("--fix and --diff are for all of PATH, without a baseline or base")
    codes = selected(select, ignore)
    settings, root = find_settings(Path.cwd())
    reading = (codes & READING) - beside_the_point(settings)
    findings: list[Finding] = []
    summary: dict[str, Any] = _NOTHING
    if reading:
        read = _read(paths, root, reading)
        if diff and not fix:
            sys.exit(1 if show(read) else 0)
        if fix:
            carry_out(read, diff=diff, verify=verify)
        found = read.findings()
        if write_baseline:
            count = scope.write_baseline(found, write_baseline, root.resolve())
            click.echo(f"testkit: {write_baseline} has {count} findings", err=True)
            sys.exit(0)
        findings = _within(found, diff_base, baseline, root)
        summary = _summary(read, findings)
    running = codes - READING
    if running and not find_files(paths, root):
        click.echo("testkit: no file with a factory was found", err=True)
        running = frozenset()
    if not running:
        click.echo(FORMS[form](findings, summary))
        sys.exit(1 if findings else 0)
    import testkit.factories  # noqa: F401 - what is not installed is told before a server starts
    from testkit.cli.run import end_like, leave_unused

    leave_unused(settings)
    end_like(
        lambda run: _reported(run, paths, running, form, (findings, summary)),
        settings,
        root,
        started_by="testkit doctor",
    )


def _read(paths: Sequence[Path], root: Path, codes: Collection[str]) -> Reading:
    from testkit.doctor.static.check import read_files
    from testkit.doctor.static.files import find_modules

    files = find_modules(paths, root)
    around = _around(paths, root)
    # What is found in a file may rest on another one: a model, a conftest, a migration.
    others = find_modules([], around) if paths else []
    if len(others or files) >= _MANY:
        click.echo(f"testkit: reading {len(others or files):,} files", err=True)
    return read_files(files, codes, around, others)


def _around(paths: Sequence[Path], root: Path) -> Path:
    """Return what the paths are read as parts of: the project, or the folder that has them all."""
    whole = [path.resolve() for path in paths]
    if all(path.is_relative_to(root.resolve()) for path in whole):
        return root.resolve()
    folders = [path if path.is_dir() else path.parent for path in whole]
    return Path(os.path.commonpath(folders))


def _within(
    findings: list[Finding], base: str | None, baseline: Path | None, root: Path
) -> list[Finding]:
    """Return the findings that were asked for. Raises TK435, TK436."""
    if base is not None:
        findings = scope.changed_since(findings, base, root)
    if baseline is None:
        return findings
    kept, left, gone = scope.beyond(findings, baseline, root.resolve())
    click.echo(f"testkit: {left} left out, as {baseline} has them", err=True)
    if gone and base is None:
        more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
        click.echo(f"testkit: {printable(gone[0])}{more} is mended: --write-baseline", err=True)
    return kept


def _summary(reading: Reading, findings: Sequence[Finding]) -> dict[str, Any]:
    """Return what was looked at, and name on standard error what was left out."""
    skipped = {relative(path): printable(reason) for path, reason in reading.skipped.items()}
    for path, reason in skipped.items():
        click.echo(f"testkit: {printable(path)} is left out: {reason}", err=True)
    kinds = [finding.severity for finding in findings]
    counts = {"errors": kinds.count("error"), "warnings": kinds.count("warning")}
    return {**_NOTHING, **counts, "files": reading.files, "skipped": skipped}


def _reported(
    run: Run,
    paths: Sequence[Path],
    codes: Collection[str],
    form: str,
    read: tuple[Sequence[Finding], Mapping[str, Any]],
) -> int:
    """Print what was found, behind what was ``read``; return 1 for anything.

    Raises TK433, TK434.
    """
    found, counted = read
    code, answer = _asked(run, paths, codes)
    if code < 0:  # a signal ended it
        return code
    if answer is None:
        raise TestkitError("TK433", code=code, root=run.root)
    if "no_tables" in answer:
        raise TestkitError("TK434", reason=answer["no_tables"], root=run.root)
    skipped = {relative(path): why for path, why in answer["summary"]["skipped"].items()}
    for path, reason in skipped.items():
        click.echo(f"testkit: {path} is left out: {reason}", err=True)
    findings = [*found, *(Finding(**each) for each in answer["findings"])]
    summary = {name: counted[name] + answer["summary"][name] for name in _COUNTS}
    click.echo(FORMS[form](findings, {**summary, "skipped": {**counted["skipped"], **skipped}}))
    return 1 if findings else 0


def _asked(
    run: Run, paths: Sequence[Path], codes: Collection[str]
) -> tuple[int, dict[str, Any] | None]:
    """Start the servers, then the process that tries the factories; return its code and answer."""
    from testkit.cli.child import run_child
    from testkit.cli.run import start_servers
    from testkit.system.files import write_private

    settings = run.settings
    kinds = {*kinds_named(settings.env)} if settings.env else {"database"}
    variables = start_servers(run, settings, kinds)
    server = run.postgres or run.ensure_database()  # which `env` need not name
    order = {
        "url": server.address(run.database).url(),
        "paths": [str(path.resolve()) for path in paths],
        "root": str(run.root),
        "seed": settings.seed or 0,  # what one call finds, the next one finds
        "codes": sorted(codes),
        "tables": settings.schema is None,
    }
    directory = run.made()
    write_private(directory / "order.json", json.dumps(order))
    # Without the current folder, which pytest would not have either.
    program = [sys.executable, "-P", "-m", "testkit.doctor.factories.check", str(directory)]
    code = run_child(program, os.environ | variables)
    answer = directory / "answer.json"
    return code, json.loads(answer.read_text("utf-8")) if answer.exists() else None
