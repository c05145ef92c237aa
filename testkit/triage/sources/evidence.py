"""Evidence that the texts of a failure hold, for sources that caught none themselves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from testkit.core.runs.failure import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from testkit.core.runs.failure import Json, Phase, Raised

__all__ = ["evidence_in", "logged"]

_ASSERTED: Final = re.compile(
    r"^assert (?P<left>.{1,600}?) (?P<operator>==|!=|<=|>=|<|>|is not|is|not in|in)"
    r" (?P<right>.{1,600})$",
    re.MULTILINE,
)
_NONE: Final = re.compile(r"^ *\+ *where None = (.{1,200})$", re.MULTILINE)
_RESPONSE: Final = re.compile(r"<Response \[(?P<status>[1-5]\d\d)(?: [\w '-]*)?\]>")
_MISSING: Final = re.compile(r"fixture '([^'\n]{1,100})' not found")
_SQL: Final = re.compile(
    r"^\[SQL: (.+?)\]?$(?=\n\[parameters|\n\(Background|\Z)", re.MULTILINE | re.DOTALL
)
_NAMES: Final = (
    ("constraint", re.compile(r'constraint "([^"\n]+)"|CHECK constraint failed: ([^\s]+)')),
    ("table", re.compile(r'(?:relation|table) "([^"\n]+)"|no such table: (\S+)')),
    ("column", re.compile(r'column "([^"\n]+)"|no such column: (\S+)')),
)
# SQLite names both as in "UNIQUE constraint failed: shop.name".
_SQLITE: Final = re.compile(r"(?:UNIQUE|NOT NULL) constraint failed: (\w+)\.(\w+)")
_CODE: Final = re.compile(r"https?://sqlalche\.me/e/\w+/(\w+)")
_LOGGED: Final = re.compile(
    r"^(?P<level>ERROR|CRITICAL) +(?P<logger>[\w.-]+):[^\s:]*:\d+ (?P<message>.{0,400})$",
    re.MULTILINE,
)
_MOST_LOGGED: Final = 5


def evidence_in(chain: tuple[Raised, ...], phase: Phase) -> tuple[Evidence, ...]:
    """Return what the messages and places of a chain show."""
    return (*_assertion(chain), *_sql(chain), *_fixture(chain, phase))


def logged(text: str) -> tuple[Evidence, ...]:
    """Return the errors of a captured log, the last ones, oldest first."""
    found = [
        Evidence("log", {k: match[k] for k in ("level", "logger", "message")})
        for match in _LOGGED.finditer(text)
    ]
    return tuple(found[-_MOST_LOGGED:])


def _assertion(chain: tuple[Raised, ...]) -> Iterable[Evidence]:
    if not chain or not chain[0].type.endswith("AssertionError"):
        return
    message = chain[0].message
    found = _ASSERTED.search(message)
    none: list[Json] = list(dict.fromkeys(_NONE.findall(message)))
    if found or none:
        facts: dict[str, Json] = {"text": message[:600]}
        if found:
            facts |= {key: found[key] for key in ("left", "operator", "right")}
        if none:
            facts["none"] = none
        yield Evidence("assertion", facts)
    response = _RESPONSE.search(message)
    if response:
        yield Evidence("http", {"status": int(response["status"])})


def _sql(chain: tuple[Raised, ...]) -> Iterable[Evidence]:
    for one in chain:
        if "[SQL: " not in one.message and not one.message.startswith("("):
            continue
        statement = _SQL.search(one.message)
        if statement is None:
            continue
        told = one.message[: statement.start()].strip()
        facts: dict[str, Json] = {"statement": statement[1][:1000], "message": told[:600]}
        for key, pattern in _NAMES:
            if found := pattern.search(told):
                facts[key] = next(name for name in found.groups() if name)
        if found := _SQLITE.search(told):
            facts |= {"table": found[1], "column": found[2]}
        if found := _CODE.search(one.message):
            facts["code"] = found[1]
        yield Evidence("sql", facts)
        return


def _fixture(chain: tuple[Raised, ...], phase: Phase) -> Iterable[Evidence]:
    if phase not in {"setup", "teardown"} or not chain:
        return
    if found := _MISSING.search(chain[0].message):
        yield Evidence("fixture", {"missing": found[1]})
        return
    for frame in chain[0].frames:
        if frame.owner in {"test", "project"} and frame.function:
            facts: dict[str, Json] = {"name": frame.function, "path": frame.path}
            yield Evidence("fixture", facts | {"line": frame.line})
            return
