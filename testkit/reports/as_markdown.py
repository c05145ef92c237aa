"""Causes as Markdown: a table, then each cause with its evidence, folded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.reports.evidence import told
from testkit.reports.heading import counted, headline, kind_of, notes, seen, symptoms, titled
from testkit.reports.marks import as_code, block, escaped
from testkit.reports.texts import plural

if TYPE_CHECKING:
    from testkit.core.runs.causes import Cause, Triage

__all__ = ["parts", "render"]

_CAUSES: Final = 200
_TESTS: Final = 20


def render(triage: Triage, *, limit: int | None = None) -> str:
    """Return a whole document."""
    head, details, rest = parts(triage, limit=limit)
    return "\n".join([head, *details, rest]).rstrip("\n") + "\n"


def parts(triage: Triage, *, limit: int | None = None) -> tuple[str, list[str], str]:
    """Return the heading with its table, a text for each cause shown, and what is left out."""
    most = _CAUSES if limit is None else limit or len(triage.causes)
    shown = triage.causes[:most]
    head = [f"## {escaped(headline(triage))}", ""]
    if about := " · ".join(filter(None, (triage.title, counted(triage)))):
        head += [escaped(about), ""]
    if shown:
        head += ["| failures | cause | place | to do |", "|---:|---|---|---|"]
        head += [_row(cause) for cause in shown]
        head.append("")
    rest = [f"- {escaped(note)}" for note in notes(triage)]
    if left := triage.causes[len(shown) :]:
        failures = sum(len(cause.failures) for cause in left)
        more = f"{plural(len(left), 'more cause')} with {plural(failures, 'failure')}"
        rest.insert(0, f"- Not shown: {more}.")
    return "\n".join(head), [_detail(cause) for cause in shown], "\n".join(rest)


def _row(cause: Cause) -> str:
    cells = (
        f"{len(cause.failures):,}",
        escaped(_title(cause), most=200),
        as_code(cause.place) if cause.place else "",
        escaped(cause.fix, most=200),
    )
    return f"| {' | '.join(cells)} |"


def _detail(cause: Cause) -> str:
    about = f"{len(cause.failures):,}: {_title(cause)}"
    lines = ["<details>", f"<summary>{escaped(about, most=300)}</summary>", ""]
    facts = f"{plural(len(cause.tests), 'test')} in {plural(len(cause.files), 'file')}"
    ident = f"{as_code(cause.id)} · {escaped(kind_of(cause))} · {facts}"
    lines += [" · ".join(filter(None, (ident, escaped(seen(cause))))), ""]
    for label, text in (("Why", cause.why), ("To do", cause.fix)):
        if text:
            lines += [f"**{label}:** {escaped(text)}", ""]
    if cause.symptoms:
        lines += ["Shows as:", "", *(f"- {escaped(one)}" for one in symptoms(cause, most=8)), ""]
    if cause.evidence:
        shown = [line for evidence in cause.evidence for line in told(evidence)]
        lines += ["Seen:", "", *block("\n".join(shown)), ""]
    if cause.traceback:
        lines += [*block(cause.traceback, word="python"), ""]
    tests = cause.tests
    lines += [f"- {as_code(nodeid)}" for nodeid in tests[:_TESTS]]
    if len(tests) > _TESTS:
        lines.append(f"- and {plural(len(tests) - _TESTS, 'other test')}")
    return "\n".join([*lines, "", "</details>", ""])


def _title(cause: Cause) -> str:
    return titled(cause)
