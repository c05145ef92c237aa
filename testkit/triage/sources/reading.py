"""Read the files of a run, whatever form they have, into one set of facts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from testkit.core.messages import TestkitError
from testkit.triage.sources.gathered import Gathered
from testkit.triage.sources.junit import read_junit
from testkit.triage.sources.node_ids import NodeIds
from testkit.triage.sources.opening import form_of, opened
from testkit.triage.sources.records import read_record
from testkit.triage.sources.report_logs import read_report_log

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from testkit.core.runs.failure import Failure
    from testkit.triage.sources.opening import Form

__all__ = ["ReadRun", "run_from"]


@dataclass(frozen=True, slots=True)
class ReadRun:
    """One run, from one file or from several that belong together.

    ``outcomes`` is the last outcome of each node id, ``selected`` and ``deselected`` are empty
    where no source tells them, ``cut`` says why the run ended early ("" where it did not),
    ``complete`` is False where something of the run or of a file is missing. ``lacks`` are
    sentences. ``reasons`` are those of skips and expected failures.
    """

    title: str
    failures: tuple[Failure, ...]
    counts: Mapping[str, int]
    outcomes: Mapping[str, str]
    reasons: Mapping[str, str]
    selected: frozenset[str]
    deselected: frozenset[str]
    deselected_count: int
    forms: frozenset[Form]
    cut: str = ""
    complete: bool = True
    lacks: tuple[str, ...] = ()
    started: str = ""


def run_from(paths: Sequence[Path], *, root: Path | None = None) -> ReadRun:
    """Read files as one run: shards are merged, a test told twice counts once.

    ``root`` is the project's, where it is at hand: node ids of JUnit XML are looked up in it.
    A file that cannot be read for what is in it is left out with a sentence in ``lacks``, as long
    as another one can. Raises TK700 for what is no file, else TK701, TK702 or TK703 where no file
    could be read.
    """
    run: Gathered | None = None
    forms: set[Form] = set()
    refused: list[TestkitError] = []
    for path in paths:
        try:
            form, read = _read(path, root)
        except TestkitError as error:
            if error.code == "TK700":
                raise
            refused.append(error)
            continue
        forms.add(form)
        if run is None:
            run = read
        else:
            run.add(read)
    if run is None:
        raise refused[0] if refused else ValueError("no path was given")
    for why in refused:
        run.complete = False
        run.lacking(f"{Path(str(why.values['path'])).name} was left out: {_first(why)}")
    return ReadRun(
        title=_title(paths),
        failures=tuple(run.failures()),
        counts=run.counts(),
        outcomes=run.outcomes,
        reasons=run.reasons,
        selected=frozenset(run.selected),
        deselected=frozenset(run.deselected),
        deselected_count=run.deselected_count,
        forms=frozenset(forms),
        cut=run.cut,
        complete=run.complete,
        lacks=run.lacks,
        started=run.started,
    )


def _read(path: Path, root: Path | None) -> tuple[Form, Gathered]:
    with opened(path) as source:
        form = form_of(source)
        read = _empty(root)
        if form == "record":
            read_record(source, read)
        elif form == "reportlog":
            read_report_log(source, read)
        else:
            read_junit(source, read, NodeIds(None if root is None else partial(_is_file, root)))
        if source.notes:
            read.complete = False
            read.lacking(*source.notes)
        return form, read


def _is_file(root: Path, name: str) -> bool:
    try:
        return (root / name).is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _empty(root: Path | None) -> Gathered:
    return Gathered(root=str(root) if root else "")


def _title(paths: Sequence[Path]) -> str:
    names = [path.name for path in paths]
    return ", ".join(names) if len(names) <= 3 else f"{names[0]} and {len(names) - 1} more files"  # noqa: PLR2004 - names that fit a line


def _first(error: TestkitError) -> str:
    return str(error).partition("\n")[0].partition(": ")[2]
