"""A run as commands judge it: its files read, its failures under causes."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import click

from testkit.core.runs.signature import signature
from testkit.core.uncollected import uncollected
from testkit.record.history.store import first_seen
from testkit.triage.diff import Side
from testkit.triage.sources.reading import ReadRun, run_from
from testkit.triage.sources.recent import files_of
from testkit.triage.triage import triage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from testkit.core.runs.causes import Cause, Triage
    from testkit.core.runs.failure import Failure

__all__ = ["judged", "read_run", "side_of"]

_LARGE: Final = 20 << 20
_MOST_SEEN: Final = 20_000


def read_run(runs: Iterable[str], root: Path) -> ReadRun:
    """Read what the command line names as one run. Raises TK700 to TK704."""
    files = files_of(runs, root)
    large = 0
    for file in files:
        with contextlib.suppress(OSError):  # told when it is opened
            large += file.stat().st_size
    if large > _LARGE:
        click.echo(f"testkit: reading {large >> 20} MiB", err=True)
    with uncollected():
        return run_from(files, root=root)


def judged(run: ReadRun, history: Path | None = None) -> Triage:
    """Return the causes of a run's failures; with a history when each was seen first."""
    found = triage(
        run.failures,
        counts=run.counts,
        lacks=run.lacks,
        title=run.title,
        complete=run.complete,
    )
    seen = first_seen(history) if history is not None and run.failures else {}
    if not seen and not run.started:
        return found
    when = _when(run, seen)
    return replace(found, causes=tuple(_dated(cause, when) for cause in found.causes))


def side_of(run: ReadRun, found: Triage) -> Side:
    """Return what a comparison needs of a run."""
    causes: defaultdict[str, set[str]] = defaultdict(set)
    for cause in found.causes:
        for nodeid in cause.tests:
            causes[nodeid].add(cause.id)
    signatures: defaultdict[str, set[str]] = defaultdict(set)
    for failure in run.failures:
        signatures[failure.nodeid].add(signature(failure))
    return Side(
        outcomes=run.outcomes,
        causes=causes,
        signatures=signatures,
        selected=run.selected,
        deselected=run.deselected,
        reasons=run.reasons,
        whole=run.complete and not run.cut,
    )


def _when(run: ReadRun, seen: Mapping[str, str]) -> dict[tuple[str, str, str], str]:
    """Return the first time of each failure, by what tells it from the others of the run."""
    found: dict[tuple[str, str, str], str] = {}
    for failure in run.failures[:_MOST_SEEN]:
        times = [run.started, seen.get(signature(failure), "") if seen else ""]
        found[_key(failure)] = min(filter(None, times), default="")
    return found


def _dated(cause: Cause, when: Mapping[tuple[str, str, str], str]) -> Cause:
    times = [when.get(_key(failure), "") for failure in cause.failures]
    return replace(cause, first_seen=min(filter(None, times), default=""))


def _key(failure: Failure) -> tuple[str, str, str]:
    return failure.nodeid, failure.phase, failure.subtest
