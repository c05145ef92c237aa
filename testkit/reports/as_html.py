"""Causes as one HTML page that needs nothing else: from a file, without a server or a network.

The page is fixed text; what the run said stands in it as JSON, and the page's script puts it on the
screen as text. The page's own policy forbids everything but that script and that style.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from testkit.reports.evidence import told
from testkit.reports.heading import counted, headline, notes, seen
from testkit.reports.texts import of_lines, one_line

if TYPE_CHECKING:
    from testkit.core.runs.causes import Cause, Triage

__all__ = ["render"]

_PAGE: Final = Path(__file__).with_name("page")
_TESTS: Final = 10_000
#: What ends a script element, or a line of JavaScript, inside JSON.
_ESCAPES: Final = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}


def render(triage: Triage, *, limit: int | None = None) -> str:
    """Return the page."""
    style = (_PAGE / "style.css").read_text("utf-8")
    script = (_PAGE / "script.js").read_text("utf-8")
    policy = f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    policy += "; base-uri 'none'; form-action 'none'"
    data = json.dumps(_data(triage, limit), ensure_ascii=True, separators=(",", ":"))
    for sign, escape in _ESCAPES.items():
        data = data.replace(sign, escape)
    page = (_PAGE / "page.html").read_text("utf-8")
    # Each is put in once, and what was put in is not looked at again.
    parts = {"POLICY": policy, "STYLE": style, "SCRIPT": script, "DATA": data}
    pieces = page.split("%%")
    return "".join(parts[piece] if number % 2 else piece for number, piece in enumerate(pieces))


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _data(triage: Triage, limit: int | None) -> dict[str, Any]:
    causes = triage.causes[:limit] if limit else triage.causes
    left = len(triage.causes) - len(causes)
    more = [f"Not shown: {left:,} more causes."] if left else []
    return {
        "headline": headline(triage),
        "title": one_line(triage.title),
        "counted": counted(triage),
        "notes": [*more, *notes(triage)],
        "causes": [_cause(cause) for cause in causes],
    }


def _cause(cause: Cause) -> dict[str, Any]:
    return {
        "id": one_line(cause.id),
        "title": one_line(cause.title),
        "rule": None if cause.rule is None else one_line(cause.rule),
        "failures": len(cause.failures),
        "place": one_line(cause.place, most=400),
        "why": one_line(cause.why),
        "fix": one_line(cause.fix),
        "seen": seen(cause),
        "symptoms": [[one_line(s.text, most=400), s.failures] for s in cause.symptoms],
        "evidence": [told(evidence) for evidence in cause.evidence],
        "traceback": "\n".join(of_lines(cause.traceback)) if cause.traceback else "",
        "files": [one_line(file, most=400) for file in cause.files],
        "tests": [one_line(nodeid, most=400) for nodeid in cause.tests[:_TESTS]],
        "count": len(cause.tests),
    }
