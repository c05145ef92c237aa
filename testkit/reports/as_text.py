"""Causes for a terminal: a screen by default, everything when a number of causes is asked for.

Nothing is told by colour alone: with colour, counts and titles are bold, the rest is as without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.reports.evidence import told
from testkit.reports.heading import counted, headline, kind_of, notes, seen, symptoms, titled
from testkit.reports.texts import fitted, of_lines, one_line, plural
from testkit.reports.texts import width as columns_of

if TYPE_CHECKING:
    from testkit.core.runs.causes import Cause, Triage

__all__ = ["SCREEN", "render"]

SCREEN: Final = 24
_NARROWEST: Final = 40
_LINES_OF_A_CAUSE: Final = 4
_TESTS: Final = 10
_NOTES: Final = 5
_ALL: Final = "testkit triage --limit 0 shows all of it"


def render(
    triage: Triage,
    *,
    width: int = 80,
    colour: bool = False,
    limit: int | None = None,
    screen: int = SCREEN,
) -> str:
    """Return the causes on at most ``screen`` lines, or ``limit`` of them with all facts."""
    width = max(width, _NARROWEST)
    bold = ("\x1b[1m", "\x1b[0m") if colour else ("", "")
    head = [_bold(fitted(headline(triage), width), bold)]
    about = " · ".join(filter(None, (one_line(triage.title), counted(triage))))
    if about:
        head.append(fitted(about, width))
    tail = [line for note in notes(triage) for line in _wrapped(note, width)]
    if limit is None:
        body = _overview(triage, width, bold, screen - len(head) - len(tail[:_NOTES]))
        tail = tail[:_NOTES]
    else:
        shown = triage.causes[:limit] if limit else triage.causes
        body = [line for cause in shown for line in ("", *_detail(cause, width, bold))]
        body += _rest(triage.causes[len(shown) :])
        tail = ["", *tail] if tail else []
    return "\n".join([*head, *body, *tail]) + "\n"


def _overview(triage: Triage, width: int, bold: tuple[str, str], lines: int) -> list[str]:
    """Return the first causes on so many lines: fewer lines for each before fewer causes."""
    causes = triage.causes
    for each in range(_LINES_OF_A_CAUSE, 0, -1):
        shown = [_brief(cause, width, bold)[:each] for cause in causes]
        gap = each > 1
        total = sum(map(len, shown)) + len(shown) * gap
        if total <= lines - 1 or each == 1:
            break
    body: list[str] = []
    for number, block in enumerate(shown):
        if len(body) + gap + len(block) > lines - 2:
            return [*body, *(fitted(line, width) for line in _rest(causes[number:]))]
        body += ["", *block] if gap else block
    return [*body, "", _ALL] if causes else []


def _brief(cause: Cause, width: int, bold: tuple[str, str]) -> list[str]:
    count = f"{len(cause.failures):>5,}"
    title = fitted(titled(cause), width - len(count) - 2 - len(cause.id) - 2)
    lines = [f"{_bold(count, bold)}  {one_line(cause.id)}  {_bold(title, bold)}"]
    indent = " " * 7
    where = " · ".join(filter(None, (one_line(cause.place), _spread(cause), seen(cause))))
    lines.append(indent + fitted(where, width - 7))
    if cause.fix:
        lines.append(indent + fitted(f"to do: {cause.fix}", width - 7))
    if shown := ", ".join(symptoms(cause, most=3)):
        lines.append(indent + fitted(f"shows as: {shown}", width - 7))
    return lines


def _detail(cause: Cause, width: int, bold: tuple[str, str]) -> list[str]:
    head = f"{len(cause.failures):,}  {one_line(cause.id)}  {kind_of(cause)}"
    lines = [_bold(head, bold), *_wrapped(cause.title, width)]
    lines += [f"  {fitted(f'{cause.place} · {_spread(cause)}'.strip(' ·'), width - 2)}"]
    for label, text in (("why", cause.why), ("to do", cause.fix), ("seen", cause.first_seen)):
        if text:
            lines += [f"  {line}" for line in _wrapped(f"{label}: {text}", width - 2)]
    lines += [f"  shows as: {fitted(one, width - 12)}" for one in symptoms(cause)]
    for evidence in cause.evidence:
        lines += [f"  | {fitted(line, width - 4)}" for line in told(evidence)]
    if cause.traceback:
        lines += [f"    {line}" for line in of_lines(cause.traceback, lines=40)]
    tests = cause.tests
    lines += [f"  {fitted(nodeid, max(width - 2, 200))}" for nodeid in tests[:_TESTS]]
    if len(tests) > _TESTS:
        lines.append(f"  and {plural(len(tests) - _TESTS, 'other test')}")
    return lines


def _spread(cause: Cause) -> str:
    return f"{plural(len(cause.tests), 'test')} in {plural(len(cause.files), 'file')}"


def _rest(causes: tuple[Cause, ...]) -> list[str]:
    if not causes:
        return []
    failures = sum(len(cause.failures) for cause in causes)
    more = f"and {plural(len(causes), 'more cause')} with {plural(failures, 'failure')}"
    return ["", f"{more}: {_ALL}"]


def _bold(text: str, bold: tuple[str, str]) -> str:
    return f"{bold[0]}{text}{bold[1]}"


def _wrapped(text: str, width: int) -> list[str]:
    """Return a text broken at words; a word that is longer than a line is cut."""
    lines: list[str] = []
    line = ""
    for word in one_line(text).split(" "):
        longer = f"{line} {word}" if line else word
        if columns_of(longer) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        line = fitted(word, width)
    return [*lines, line]
