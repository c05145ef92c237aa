"""Rules about fixtures: one that fails is one cause, however many tests ask for it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from testkit.core.runs.masking import without_variables
from testkit.triage.facts import text_of
from testkit.triage.rule import Found, Rule, found, says

if TYPE_CHECKING:
    from testkit.triage.facts import Facts, Said

__all__ = ["LAST", "RULES"]

_MISSING: Final = re.compile(r"fixture '(?P<name>[^']+)' not found")


def _missing(facts: Facts, said: Said) -> Found | None:
    for one in facts.evidence.get("fixture", ()):
        if name := text_of(one.get("missing")):
            places = text_of(one.get("defined_in"))
            told = f": it stands in {places}, which pytest does not load" if places else ""
            return found(name, name=name, told=told)
    if facts.failure.phase != "setup" and "fixture '" not in said.text:
        return None
    hit = _MISSING.search(said.text) or _MISSING.search(facts.failure.text[-4000:])
    return found(hit["name"], name=hit["name"], told="") if hit else None


def _failed(facts: Facts, said: Said) -> Found | None:
    if facts.failure.phase not in {"setup", "teardown"}:
        return None
    name, path, line = _fixture(facts)
    if not name:
        return None
    own = facts.own
    return found(
        name,
        path,
        facts.failure.phase,
        own.type,
        without_variables(own.first)[:200],
        name=name,
        when="set-up" if facts.failure.phase == "setup" else "teardown",
        what=f"{own.type}: {own.first[:120]}" if own.type else said.first[:120],
        place=f"{path}:{line}" if path and line else path,
    )


def _fixture(facts: Facts) -> tuple[str, str, int]:
    """Return name, path and line: as the evidence tells, else the outermost place in the tests."""
    for one in facts.evidence.get("fixture", ()):
        if name := text_of(one.get("name")):
            line = one.get("line")
            return name, text_of(one.get("path")), line if isinstance(line, int) else 0
    for raised in facts.failure.chain:
        for frame in raised.frames:
            if frame.owner == "test" and frame.function.isidentifier():
                return frame.function, frame.path, frame.line
    return "", "", 0


RULES: Final = (
    Rule(
        "missing-fixture",
        "No fixture {name}{told}",
        "The fixture is misspelt, its plugin is not installed, or it stands in a file that pytest"
        " does not load: only conftest.py files above the test and plugins are.",
        "Move it into a conftest.py above the tests, or name its file in `pytest_plugins`.",
        _missing,
        mend="test",
        kinds=("fixture",),
    ),
    Rule(
        "fixture-scope",
        "The fixture {name} has a wider scope than one that it asks for",
        "A fixture that lives for a module or session cannot use one that lives for a test.",
        "Narrow the one or widen the other.",
        says(
            r"ScopeMismatch: You tried to access the '?\w+'? scoped fixture '?(?P<name>[\w.]+)",
            "name",
        ),
        cues=("ScopeMismatch",),
        mend="test",
        kinds=("fixture",),
    ),
    Rule(
        "fixture-recursion",
        "The fixture {name} asks for itself",
        "It overrides a fixture of this name in the same file, or two fixtures ask for each other.",
        "Rename one of them.",
        says(r"recursive dependency involving fixture '(?P<name>\w+)'", "name"),
        cues=("recursive dependency",),
        kinds=("fixture",),
    ),
    Rule(
        "fixture-called",
        "The fixture {name} is called like a function",
        "pytest makes fixtures; calling one is refused.",
        "Ask for it as an argument, or take the body into a function.",
        says(r"Fixture \"(?P<name>\w+)\" called directly", "name"),
        cues=("called directly",),
        mend="test",
    ),
    Rule(
        "fixture-yield",
        "The fixture {name} does not yield exactly one value",
        "A branch returns or raises before the yield, or there are two of them.",
        "Yield once on every way through.",
        says(
            r"(?P<name>[\w.]+) did not yield a value"
            r"|[Ff]ixture function has more than one 'yield'",
            "name",
        ),
        cues=("did not yield", "more than one 'yield'"),
    ),
)
LAST: Final = (
    Rule(
        "fixture-failed",
        "The {when} of the fixture {name} fails: {what}",
        "One fixture's failure is the failure of every test that asks for it.",
        "Mend the fixture; the tests themselves never ran.",
        _failed,
        kinds=("fixture",),
    ),
)
