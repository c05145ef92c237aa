"""One thing that was seen, in words: a line or a few, for every form of report."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from testkit.reports.texts import of_lines, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from testkit.core.runs.failure import Evidence

__all__ = ["told"]

_MOST_ITEMS: Final = 5
_LONG: Final = 400


def told(evidence: Evidence) -> list[str]:
    """Return what the evidence says: the first line is a sentence, further ones are details."""
    words = _WORDS.get(evidence.kind, _anything)(evidence.facts)
    return [line for line in words if line] or _anything(evidence.facts)


def _text(value: object) -> str:
    if isinstance(value, str):
        return one_line(value, most=_LONG)
    return one_line(json.dumps(value, ensure_ascii=False, default=str), most=_LONG)


def _items(value: object) -> list[Any]:
    return value[:_MOST_ITEMS] if isinstance(value, list) else []


def _pair(label: str, value: object) -> str:
    return f"{label}: {_text(value)}" if value not in (None, "", [], {}) else ""


def _assertion(facts: Mapping[str, Any]) -> list[str]:
    none = ", ".join(_text(name) for name in _items(facts.get("none")))
    sides = ""
    if "left" in facts and "right" in facts:
        operator = _text(facts.get("operator") or "==")
        sides = f"{_text(facts['left'])} {operator} {_text(facts['right'])}"
    first = sides or _text(facts.get("text") or "")
    return [f"assertion: {first}" if first else "", f"None: {none}" if none else ""]


def _http(facts: Mapping[str, Any]) -> list[str]:
    problem = facts.get("problem")
    about = problem.get("detail") or problem.get("title") if isinstance(problem, dict) else problem
    line = f"{_text(facts.get('method', ''))} {_text(facts.get('url', ''))}".strip()
    status = facts.get("status")
    first = f"{line} → {_text(status)}" if status is not None else line
    if status is None and facts.get("error"):
        first = f"{line} raised {_text(facts['error'])}"
    return [
        f"{first}: {_text(about)}" if about else first,
        _pair("sent", facts.get("request_body")),
        _pair("answer", facts.get("body")),
    ]


def _sql(facts: Mapping[str, Any]) -> list[str]:
    names = ("sqlstate", "constraint", "table", "column")
    where = ", ".join(f"{name} {_text(facts[name])}" for name in names if facts.get(name))
    message = facts.get("message")
    first = f"database: {_text(message)}" if message else "database error"
    return [f"{first} ({where})" if where else first, _pair("statement", facts.get("statement"))]


def _statements(facts: Mapping[str, Any]) -> list[str]:
    last = facts.get("last")
    found = last[-_MOST_ITEMS:] if isinstance(last, list) else []
    return ["last statements:", *(f"  {_text(one)}" for one in found)] if found else []


def _validation(facts: Mapping[str, Any]) -> list[str]:
    lines = []
    for error in _items(facts.get("errors")):
        if isinstance(error, dict):
            loc = error.get("loc")
            place = ".".join(map(str, loc)) if isinstance(loc, list) else str(loc or "")
            lines.append(f"  {_text(place)}: {_text(error.get('message') or error.get('type'))}")
    return [f"invalid {_text(facts.get('model') or 'value')}:", *lines]


def _log(facts: Mapping[str, Any]) -> list[str]:
    head = f"{_text(facts.get('level', ''))} {_text(facts.get('logger', ''))}".strip()
    return [f"log: {head}: {_text(facts.get('message', ''))}", _pair("by", facts.get("exception"))]


def _fixture(facts: Mapping[str, Any]) -> list[str]:
    if missing := facts.get("missing"):
        places = ", ".join(_text(one) for one in _items(facts.get("defined_in")))
        return [
            f"no fixture {_text(missing)} is loaded",
            f"defined in {places}, which pytest does not load for this test" if places else "",
        ]
    place = f"{_text(facts.get('path', ''))}:{_text(facts.get('line', ''))}".strip(":")
    scope = _text(facts.get("scope", ""))
    return [f"fixture {_text(facts.get('name', ''))} ({scope}) at {place}"]


def _mapper(facts: Mapping[str, Any]) -> list[str]:
    first = f"first failure of the mappers: {_text(facts.get('message', ''))}"
    return [first, _pair("in", facts.get("nodeid"))]


def _doubles(facts: Mapping[str, Any]) -> list[str]:
    lines = []
    for one in _items(facts.get("names")):
        if isinstance(one, dict):
            spec = f" for {_text(one['spec'])}" if one.get("spec") else ""
            kind = f"{_text(one.get('type', ''))}{spec}"
            lines.append(f"  {_text(one.get('name', ''))}: {kind} at {_text(one.get('where', ''))}")
    return ["stand-ins:", *lines]


def _environment(facts: Mapping[str, Any]) -> list[str]:
    lines = [
        f"  {_text(one.get('name', ''))}, by {_text(one.get('by') or 'unknown')}"
        for one in _items(facts.get("changed"))
        if isinstance(one, dict)
    ]
    return ["environment variables that were changed:", *lines]


def _before(facts: Mapping[str, Any]) -> list[str]:
    tests = facts.get("tests")
    last = tests[-1] if isinstance(tests, list) and tests else ""
    return [f"ran before on this worker: {_text(facts.get('count', 0))}, last {_text(last)}"]


def _locals(facts: Mapping[str, Any]) -> list[str]:
    values = facts.get("values")
    found = list(values.items())[:_MOST_ITEMS] if isinstance(values, dict) else []
    return [f"{_text(name)} = {_text(value)}" for name, value in found]


def _timing(facts: Mapping[str, Any]) -> list[str]:
    seconds, limit = _text(facts.get("seconds", "")), _text(facts.get("limit", ""))
    return [f"took {seconds} s, at most {limit} s were expected", _pair("in", facts.get("text"))]


def _double_import(facts: Mapping[str, Any]) -> list[str]:
    names = ", ".join(_text(one) for one in _items(facts.get("names")))
    return [f"one file under several names: {names}", _pair("file", facts.get("path"))]


def _warnings(facts: Mapping[str, Any]) -> list[str]:
    return ["warnings:", *(f"  {_text(one)}" for one in _items(facts.get("messages")))]


def _anything(facts: Mapping[str, Any]) -> list[str]:
    shown = json.dumps(dict(facts), ensure_ascii=False, default=str)
    return of_lines(shown, most=_LONG, lines=2)


_WORDS: Final[dict[str, Callable[[Mapping[str, Any]], list[str]]]] = {
    "assertion": _assertion,
    "before": _before,
    "double_import": _double_import,
    "doubles": _doubles,
    "environment": _environment,
    "fixture": _fixture,
    "http": _http,
    "locals": _locals,
    "log": _log,
    "mapper": _mapper,
    "sql": _sql,
    "statements": _statements,
    "timing": _timing,
    "validation": _validation,
    "warnings": _warnings,
}
