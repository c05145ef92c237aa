"""``fixture``: the one whose set-up or teardown failed, or that nobody provides."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from testkit.core.runs.failure import Evidence
from testkit.record.evidence.exceptions import tracebacks_of
from testkit.record.evidence.safely import attribute, attributes, is_a
from testkit.record.evidence.scene import locals_of
from testkit.record.evidence.texts import told

if TYPE_CHECKING:
    import types
    from collections.abc import Iterator

    from testkit.core.runs.failure import Json
    from testkit.record.evidence.scene import Scene

__all__ = ["defining", "fixture"]

_LOOKUP: Final = "_pytest.fixtures.FixtureLookupError"
_DEFINITION: Final = "_pytest.fixtures.FixtureDef"
_MOST_FILES: Final = 3_000
_MOST_BYTES: Final = 400_000
_MOST_SECONDS: Final = 0.5
_MOST_TOLD: Final = 5
_NOT_OURS: Final = frozenset(
    ("node_modules", "site-packages", "__pycache__", "build", "dist", "venv", "env")
)
_DECORATED: Final = re.compile(
    r"^@(?:pytest\.|pytest_asyncio\.)?(?:yield_)?fixture\b(?P<options>(?:\([^()]*(?:\([^()]*\)[^()]*)*\))?)[^\n]*\n"
    r"(?:@[^\n]*\n)*(?:async )?def (?P<name>\w+)",
    re.MULTILINE,
)
_NAMED: Final = re.compile(r"\bname=['\"](\w+)['\"]")
_defined: dict[str, dict[str, list[str]]] = {}


def fixture(scene: Scene) -> Iterator[Evidence]:
    """Tell of the fixture that is missing, else of the innermost one that was set up or ended."""
    missing = scene.first_of(_LOOKUP)
    if missing is not None:
        name = attributes(missing).get("argname")
        if type(name) is str:
            facts: dict[str, Json] = {"missing": told(name, 100)}
            files = defining(name, scene.places.root)[:_MOST_TOLD]
            if files:
                facts["defined_in"] = [*files]
            yield Evidence("fixture", facts)
        return
    if scene.phase not in {"setup", "teardown"}:
        return
    told_of: list[dict[str, Json]] = []
    for error, link in scene.errors:
        facts = _around(error, scene) if link in {"raised", "group"} else {}
        if facts and facts not in told_of and len(told_of) < _MOST_TOLD:
            told_of.append(facts)
    yield from (Evidence("fixture", facts) for facts in told_of)


def _around(error: BaseException, scene: Scene) -> dict[str, Json]:
    """Return the innermost fixture where an error passed; pytest's own places know it."""
    for place in reversed(tracebacks_of(error)):
        for held in ("fixturedef", "self"):
            definition = locals_of(place.tb_frame).get(held)
            if is_a(definition, _DEFINITION):
                return _of(definition, scene)
    return {}


def _of(definition: Any, scene: Scene) -> dict[str, Json]:
    facts: dict[str, Json] = {}
    for key, name in (("name", "argname"), ("scope", "_scope")):
        value = attribute(definition, name)
        if key == "scope":
            value = attributes(value).get("_value_")
        if type(value) is str:
            facts[key] = told(value, 100)
    code = _code_of(attribute(definition, "func"))
    if code is not None:
        facts["path"] = scene.places.relative(code.co_filename)
        facts["line"] = code.co_firstlineno
    return facts


def _code_of(function: Any) -> types.CodeType | None:
    for _ in range(5):
        if type(function) is type(_of):
            inner = attributes(function).get("__wrapped__")
            if inner is None:
                return function.__code__
            function = inner
        else:
            return None
    return None


def defining(name: str, root: str) -> list[str]:
    """Return the project's files that define a fixture of this name, found by their text.

    The files are read once in a process: 3,000 of them, for half a second.
    """
    if root not in _defined:
        _defined[root] = _scanned(root)
    return _defined[root].get(name, [])


def _scanned(root: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    until = _now() + _MOST_SECONDS
    files = 0
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in _NOT_OURS)
        for file in sorted(names):
            if not file.endswith(".py"):
                continue
            files += 1
            if files > _MOST_FILES or _now() > until:
                return found
            path = Path(folder, file)
            for fixture_name in _fixtures_in(path):
                found.setdefault(fixture_name, []).append(path.relative_to(root).as_posix())
    return found


def _fixtures_in(path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as opened:
            read = opened.read(_MOST_BYTES)
    except OSError:
        return
    if b"fixture" not in read:
        return
    for match in _DECORATED.finditer(read.decode(errors="replace").replace("\r\n", "\n")):
        named = _NAMED.search(match["options"])
        yield named[1] if named else match["name"]


_now: Final = time.perf_counter
