"""The difference of two runs as text, JSON, Markdown and commands of GitHub."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from testkit.cli.tables import markdown_table
from testkit.reports.texts import printable
from testkit.reports.workflow import annotation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from testkit.core.runs.causes import Triage
    from testkit.triage.diff import Absence, Difference

__all__ = ["FORMS", "Compared"]

_MOST: Final = 50
_MOST_GROUPS: Final = 10
_MOST_TESTS: Final = 3
_ANNOTATIONS: Final = 10
_SAID: Final = {
    "skipped": "is skipped now",
    "xfailed": "is expected to fail now",
    "deselected": "was deselected",
    "left out": "still stands in the project, and was not collected",
    "gone": "no longer exists",
}


@dataclass(frozen=True, slots=True)
class Compared:
    """A difference and the two runs that it is of."""

    found: Difference
    old: Triage
    new: Triage
    same_form: bool = True

    @property
    def lacks(self) -> tuple[str, ...]:
        """What could not be told: of either run, and of their comparison."""
        other = (
            "The two files are of different forms, which show causes differently:"
            " a test may seem to have moved."
        )
        told = [f"{t.title}: {lack}" for t in (self.old, self.new) for lack in t.lacks]
        early = (
            f"{self.old.title} ended early and tells nothing of {len(self.found.unseen)} tests that"
            " fail now: they may have failed before."
        )
        notes = [*([early] if self.found.unseen else []), *([] if self.same_form else [other])]
        return (*told, *notes)


def as_json(compared: Compared) -> str:
    """Return one object: lists of node ids, and beside them how they moved and vanished."""
    found = compared.found
    facts = {
        "version": 1,
        "old": _run(compared.old),
        "new_run": _run(compared.new),
        "fixed": found.fixed,
        "new": found.new,
        "still": found.still,
        "moved": [move.nodeid for move in found.moved],
        "vanished": [one.nodeid for one in found.vanished],
        "not_run": found.not_run,
        "unseen": found.unseen,
        "moves": [{"nodeid": m.nodeid, "from": m.old, "to": m.new} for m in found.moved],
        "absences": [
            {"nodeid": one.nodeid, "was": one.was, "now": one.now, "reason": one.reason}
            for one in found.vanished
        ],
        "lacks": compared.lacks,
    }
    return json.dumps(facts, indent=2)


def as_text(compared: Compared) -> str:
    """Return the numbers, then the tests under a heading for each kind, the worst first.

    Under a heading tests of one cause stand together, most tests first, and the first few of each.
    """
    lines = [f"{compared.old.title} → {compared.new.title}", _summary(compared.found)]
    for heading, rows in _sections(compared):
        lines += ["", f"{heading} ({len(rows)})"]
        groups = _grouped(rows)
        for said, tests in groups[:_MOST_GROUPS]:
            lines += [f"  {len(tests):>4}  {said}"] if said else []
            most = _MOST_TESTS if said else _MOST
            lines += [f"{' ' * 8 if said else '  '}{test}" for test in tests[:most]]
            if len(tests) > most:
                lines.append(f"{' ' * 8 if said else '  '}… and {len(tests) - most} more")
        if len(groups) > _MOST_GROUPS:
            left = sum(len(tests) for _, tests in groups[_MOST_GROUPS:])
            lines.append(f"  … and {left} more (--format json has all)")
    if compared.lacks:
        lines += ["", *compared.lacks]
    return "\n".join(map(printable, lines))


def _grouped(rows: list[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    """Return the tests by what is said of them, most tests first."""
    groups: dict[str, list[str]] = {}
    for test, said in rows:
        groups.setdefault(said, []).append(test)
    return sorted(groups.items(), key=lambda each: -len(each[1]))


def as_markdown(compared: Compared) -> str:
    """Return the numbers and a table for each kind."""
    parts = [f"**{printable(_summary(compared.found))}**"]
    for heading, rows in _sections(compared):
        shown = [[test, said] for test, said in rows[:_MOST]]
        if len(rows) > _MOST:
            shown.append([f"… and {len(rows) - _MOST} more", ""])
        parts += [f"### {heading} ({len(rows)})", markdown_table(("test", "what"), shown)]
    if compared.lacks:
        parts.append(
            markdown_table(("what could not be told",), [[lack] for lack in compared.lacks])
        )
    return "\n\n".join(parts)


def as_github(compared: Compared) -> str:
    """Return at most ten annotations, of what is worse, then the numbers."""
    found = compared.found
    told = [("New failure", test) for test in found.new]
    told += [("Failed, and vanished", f"{one.nodeid} {_vanished(one)}") for one in found.silenced]
    lines = [annotation("error", text, title=title) for title, text in told[:_ANNOTATIONS]]
    if len(told) > _ANNOTATIONS:
        more = f"And {len(told) - _ANNOTATIONS + 1} more"
        lines[-1] = annotation("error", _summary(found), title=more)
    return "\n".join([*lines, printable(_summary(found))])


def _sections(compared: Compared) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    found = compared.found
    titles = {c.id: f"{c.id} {c.title}" for t in (compared.old, compared.new) for c in t.causes}
    under = {test: titles[c.id] for c in compared.new.causes for test in c.tests}
    passed = [one for one in found.vanished if one.was == "passed"]
    sections = (
        ("New failures", [(test, under.get(test, "")) for test in found.new]),
        ("Failed before, and vanished", [(a.nodeid, _vanished(a)) for a in found.silenced]),
        (
            "Moved to another cause",
            [(m.nodeid, f"{_named(m.old, titles)} → {_named(m.new, titles)}") for m in found.moved],
        ),
        ("Still failing", [(test, under.get(test, "")) for test in found.still]),
        ("Fixed", [(test, "") for test in found.fixed]),
        ("Passed before, and vanished", [(a.nodeid, _vanished(a)) for a in passed]),
        ("Not run, because the new run ended early", [(test, "") for test in found.not_run]),
    )
    return ((heading, rows) for heading, rows in sections if rows)


def _named(ids: tuple[str, ...], titles: dict[str, str]) -> str:
    return ", ".join(titles.get(one, one) for one in ids)


def _vanished(one: Absence) -> str:
    return _SAID[one.now] + (f": {one.reason}" if one.reason else "")


def _summary(found: Difference) -> str:
    vanished = f"{len(found.vanished)} vanished"
    if found.silenced:
        vanished += f" ({len(found.silenced)} of them failed before)"
    parts = [
        f"{len(found.fixed)} fixed",
        f"{len(found.new)} new",
        f"{len(found.still)} still failing",
        f"{len(found.moved)} moved",
        vanished,
    ]
    return ", ".join([*parts, *([f"{len(found.not_run)} not run"] if found.not_run else [])])


def _run(found: Triage) -> dict[str, Any]:
    return {
        "title": found.title,
        "failures": found.failures,
        "causes": len(found.causes),
        "complete": found.complete,
    }


FORMS: Final[dict[str, Callable[[Compared], str]]] = {
    "text": as_text,
    "json": as_json,
    "markdown": as_markdown,
    "github": as_github,
}
