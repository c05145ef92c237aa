"""Run records: ``testkit.core.runs.lines`` has their lines."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from testkit.core.runs.lines import VERSION, failure_from
from testkit.triage.sources.evidence import evidence_in
from testkit.triage.sources.json_lines import objects
from testkit.triage.sources.tracebacks import chain_of
from testkit.triage.sources.wrapped import unwrapped

if TYPE_CHECKING:
    from collections.abc import Iterable

    from testkit.core.runs.failure import Failure
    from testkit.triage.sources.gathered import Gathered
    from testkit.triage.sources.opening import Opened

__all__ = ["read_record"]

_CUT: Final = {
    "maxfail": "The run stopped at its limit of failures (--maxfail, -x): other tests did not run.",
    "interrupted": "The run was interrupted: other tests did not run.",
}


def read_record(source: Opened, into: Gathered) -> None:
    """Take in one record; kinds and keys that are not known are passed over."""
    ended = False
    for line in objects(source):
        match line.get("kind"):
            case "test" | "collect":
                _take_test(line, into)
            case "selected":
                _take_selected(line, into)
            case "run":
                _take_run(line, into, source)
            case "worker" if line.get("what") == "crashed":
                during = line.get("while")
                into.lacking(
                    f"Worker {line.get('worker', '?')} crashed"
                    + (f" while it ran {into.masked(during)}." if isinstance(during, str) else ".")
                )
            case "end":
                ended = True
                cut = line.get("cut")
                into.cut = cut if isinstance(cut, str) else ""
    if into.cut:
        into.lacking(_CUT.get(into.cut, f"The run was cut ({into.cut}): other tests did not run."))
    elif ended and into.outcomes and (silent := into.selected - into.outcomes.keys()):
        into.lacking(
            f"Of the selected tests {len(silent):,} left no outcome, among them"
            f" {into.masked(min(silent))}: a worker ended before them, or could not tell it."
        )
    if not ended:
        into.complete = False
        into.cut = into.cut or "killed"
        into.lacking(
            f"{source.path.name} has no end: the run was killed, or is still going on."
            " Tests that did not run are missing."
        )


def _take_run(line: dict[str, Any], into: Gathered, source: Opened) -> None:
    version = line.get("version")
    if isinstance(version, int) and version > VERSION:
        source.notes.append(
            f"{source.path.name} has the form {version}, this testkit knows {VERSION}:"
            " what is new in it was passed over."
        )
    for name in ("started", "root"):
        if isinstance(value := line.get(name), str):
            setattr(into, name, value)


def _take_selected(line: dict[str, Any], into: Gathered) -> None:
    into.selected.update(_texts(line.get("nodeids")))
    into.deselected.update(_texts(line.get("deselected_nodeids")))
    number = line.get("deselected")
    if isinstance(number, int):
        into.deselected_count = max(into.deselected_count, number)


def _take_test(line: dict[str, Any], into: Gathered) -> None:
    nodeid, outcome = line.get("nodeid"), line.get("outcome")
    if not isinstance(nodeid, str) or not isinstance(outcome, str):
        return
    if line.get("kind") == "collect" and "phase" not in line:
        line["phase"] = "collect"
    attempt = line.get("attempt")
    reason = line.get("reason")
    into.tested(
        nodeid,
        outcome,
        attempt=attempt if isinstance(attempt, int) and attempt > 0 else 1,
        reason=reason if isinstance(reason, str) else "",
    )
    if line.get("sums"):
        return  # it failed for its subtests, which have lines of their own
    if (failure := failure_from(line)) is not None:
        into.failed(failure if failure.chain or not failure.text else _read_back(failure, into))


def _read_back(failure: Failure, into: Gathered) -> Failure:
    """Take from the drawn traceback what was not caught: the run recorded no evidence."""
    chain = unwrapped(chain_of(failure.text, root=into.root))
    evidence = failure.evidence or evidence_in(chain, failure.phase)
    if chain:
        into.lacking("Of some failures only the drawn traceback was recorded.")
    return replace(failure, chain=chain, evidence=evidence)


def _texts(told: object) -> Iterable[str]:
    return (one for one in told if isinstance(one, str)) if isinstance(told, list) else ()
