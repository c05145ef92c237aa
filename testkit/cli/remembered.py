"""The history as pages: a heading, facts, a table; written as text, JSON and Markdown."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

from testkit.cli.tables import markdown_table, text_table
from testkit.record.history.run import failed, passed
from testkit.reports.texts import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testkit.record.history.flaky import Flaky
    from testkit.record.history.run import Run
    from testkit.record.history.slowest import Duration, Slower

__all__ = ["Page", "flaky_page", "overview", "slowest_page", "test_page", "written"]


@dataclass(frozen=True, slots=True)
class Page:
    """What a page says; ``facts`` is what JSON has in its place, ``notes`` stand below it."""

    lead: str
    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    facts: dict[str, Any]
    notes: tuple[str, ...] = field(default=())


def overview(runs: Sequence[Run]) -> Page:
    """Return each run, newest first."""
    told = [
        {
            "id": run.id,
            "started": run.started,
            "commit": run.commit,
            "dirty": run.dirty,
            "exitstatus": run.exitstatus,
            "tests": len({result.nodeid for result in run.results}),
            "failed": len({r.nodeid for r in run.results if r.outcome in {"failed", "error"}}),
        }
        for run in reversed(runs)
    ]
    rows = [
        (
            str(one["id"]),
            str(one["started"])[:19],
            str(one["commit"])[:12] + {True: " changed", False: "", None: " ?"}[one["dirty"]],  # type: ignore[index]
            str(one["tests"]),
            str(one["failed"]),
            str(one["exitstatus"]),
        )
        for one in told
    ]
    headings = ("run", "started", "commit", "tests", "failed", "exit")
    return Page(f"{_count(len(runs), 'run')}, newest first.", headings, rows, {"runs": told})


def flaky_page(found: Sequence[Flaky], runs: int) -> Page:
    """Return the flaky tests, and of those that go by order, what stood before them."""
    rows = [
        (
            one.nodeid,
            f"{one.failures} of {one.attempts}",
            f"{one.low:.0%} to {one.high:.0%}",
            str(one.runs),
            "by order" if one.by_order else f"reruns {one.reruns}" if one.reruns else "same commit",
        )
        for one in found
    ]
    notes = [f"{one.nodeid} fails only behind {_suspects(one)}." for one in found if one.by_order]
    if found:
        lead = f"{_count(len(found), 'flaky test')}: both outcomes on the same code."
    else:
        lead = f"No flaky test in {_count(runs, 'run')}."
    headings = ("test", "failed", "rate, 95 %", "runs", "shown by")
    told = [dataclasses.asdict(one) | {"by_order": one.by_order} for one in found]
    return Page(lead, headings, rows, {"runs": runs, "flaky": told}, tuple(notes))


def slowest_page(slow: Sequence[Duration], got_slower: Sequence[Slower]) -> Page:
    """Return the slowest tests, and what got slower."""
    rows = [
        (one.nodeid, *map(_seconds, (one.total, one.setup, one.call, one.teardown)), str(one.runs))
        for one in slow
    ]
    notes = [
        f"{one.nodeid} got slower: {one.phase} {_seconds(one.before)} before,"
        f" {_seconds(one.now)} now (noise {_seconds(one.noise)}, {_count(one.runs, 'run')})."
        for one in got_slower
    ]
    headings = ("test", "seconds", "setup", "call", "teardown", "runs")
    facts = {
        "slowest": [dataclasses.asdict(one) | {"total": one.total} for one in slow],
        "slower": [dataclasses.asdict(one) for one in got_slower],
    }
    return Page(f"{_count(len(slow), 'test')}, by their medians.", headings, rows, facts, (*notes,))


def test_page(nodeid: str, runs: Sequence[Run], found: Sequence[Flaky]) -> Page:
    """Return what each attempt at one test came to, newest run first."""
    told = [
        dataclasses.asdict(result)
        | {"run": run.id, "started": run.started, "commit": run.commit, "dirty": run.dirty}
        for run in reversed(runs)
        for result in sorted(run.results, key=lambda one: -one.attempt)
        if result.nodeid == nodeid
    ]
    rows = [
        (
            one["started"][:19],
            one["commit"][:12],
            one["outcome"] + (f" (attempt {one['attempt']})" if one["attempt"] > 1 else ""),
            *(_seconds(one[phase]) for phase in ("setup", "call", "teardown")),
            f"{one['worker']} {one['order']}",
            one["signature"],
        )
        for one in told
    ]
    fails = sum(failed(one["outcome"]) for one in told)
    passes = sum(passed(one["outcome"]) for one in told)
    calls = [one["call"] for one in told if passed(one["outcome"]) and one["call"] is not None]
    lead = f"{nodeid}: {fails} failed, {passes} passed"
    lead += f"; the call takes {_seconds(median(calls))} s." if calls else "."
    judged = next((one for one in found if one.nodeid == nodeid), None)
    notes = []
    if judged is not None:
        notes.append(
            f"Flaky: {judged.failures} of {judged.attempts} attempts failed on the same code"
            f" ({judged.low:.0%} to {judged.high:.0%})."
        )
        if judged.by_order:
            notes.append(f"It fails only behind {_suspects(judged)}.")
    headings = ("started", "commit", "outcome", "setup", "call", "teardown", "place", "signature")
    facts = {
        "nodeid": nodeid,
        "results": told,
        "flaky": None if judged is None else dataclasses.asdict(judged),
    }
    return Page(lead, headings, rows, facts, tuple(notes))


def written(page: Page, form: str, limit: int) -> str:
    """Return the page in one of its forms; of the rows, the first ``limit``, all with 0."""
    if form == "json":
        return json.dumps({"version": 1, **page.facts}, indent=2)
    most = limit or len(page.rows)
    draw = markdown_table if form == "markdown" else text_table
    lead, *notes = map(printable, (page.lead, *page.notes))
    if form == "markdown":  # a node id is data there, too
        lead, *notes = (f"`{text.replace('`', ' ')}`" for text in (lead, *notes))
    parts = [lead, *([draw(page.headings, page.rows[:most])] if page.rows else [])]
    if len(page.rows) > most:
        parts.append(f"{len(page.rows) - most} more: --limit 0 shows all.")
    return "\n\n".join([*parts, *(["\n".join(notes)] if notes else [])])


def _suspects(one: Flaky) -> str:
    if one.suspects_count == 1:
        return one.suspects[0]
    return f"one of {one.suspects_count} tests, nearest {one.suspects[0]}"


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.3f}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
