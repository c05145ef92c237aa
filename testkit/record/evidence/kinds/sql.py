"""``sql``: the error of the database that is in the chain, with the names that it tells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from testkit.core.runs.failure import Evidence
from testkit.record.evidence.exceptions import message_of
from testkit.record.evidence.safely import MISSING, attribute, is_a, mro, namespace, type_name
from testkit.record.evidence.texts import told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.core.runs.failure import Json
    from testkit.record.evidence.scene import Scene

__all__ = ["sql"]

_STATEMENT_ERROR: Final = "sqlalchemy.exc.StatementError"
_PSYCOPG: Final = ("psycopg.Error", "psycopg2.Error")
_ASYNCPG: Final = "asyncpg.exceptions._base.PostgresError"
_SQLITE: Final = "sqlite3.Error"
_KEYS: Final = ("constraint", "table", "column", "schema")
_NAMES: Final = (
    ("constraint", re.compile(r'constraint "([^"\n]+)"|CHECK constraint failed: (\S+)')),
    ("table", re.compile(r'(?:relation|table) "([^"\n]+)"|no such table: (\S+)')),
    ("column", re.compile(r'column "([^"\n]+)"|no such column: (\S+)')),
)
_OF_SQLITE: Final = re.compile(r"(?:UNIQUE|NOT NULL) constraint failed: (\w+)\.(\w+)")
_SQLSTATE: Final = re.compile(r"[0-9A-Z]{5}")
_DIALECTS: Final = {
    "psycopg": "postgresql",
    "psycopg2": "postgresql",
    "asyncpg": "postgresql",
    "sqlite3": "sqlite",
    "pymysql": "mysql",
    "MySQLdb": "mysql",
}


def sql(scene: Scene) -> Iterator[Evidence]:
    """Tell of the first error of SQLAlchemy or of a driver."""
    wrapped = scene.first_of(_STATEMENT_ERROR)
    driver = scene.first_of(*_PSYCOPG, _ASYNCPG, _SQLITE)
    if wrapped is None and driver is None:
        return
    facts: dict[str, Json] = {}
    if wrapped is not None:
        facts |= _of_sqlalchemy(wrapped)
    if driver is not None:
        facts |= _of_driver(driver)
    told_by = driver if driver is not None else wrapped
    assert told_by is not None
    message = told(message_of(told_by, scene.places), 600)
    facts["message"] = message
    yield Evidence("sql", _named(message) | facts)


def _of_sqlalchemy(error: BaseException) -> dict[str, Json]:
    facts: dict[str, Json] = {}
    statement, code = attribute(error, "statement"), attribute(error, "code")
    if type(statement) is str:
        facts["statement"] = told(" ".join(statement[:4_000].split()), 1_000)
    if type(code) is str or (code := _of_class(error, "code")):
        facts["code"] = told(code, 20)
    original = attribute(error, "orig")
    if original is not MISSING and original is not None:
        state = attribute(original, "sqlstate")
        if type(state) is str:
            facts["sqlstate"] = told(state, 20)
        module = type_name(type(original))
        if "asyncpg" in module:
            facts["dialect"] = "postgresql"
    return facts


def _of_class(error: BaseException, name: str) -> str:
    for cls in mro(type(error)):
        found = namespace(cls).get(name)
        if type(found) is str:
            return found
    return ""


def _of_driver(error: BaseException) -> dict[str, Json]:
    facts: dict[str, Json] = {}
    for cls in mro(type(error)):
        root = type_name(cls).partition(".")[0]
        if root in _DIALECTS:
            facts["dialect"] = _DIALECTS[root]
            break
    if is_a(error, *_PSYCOPG):
        said = _diagnosis(error)
        state = _stored(error, "sqlstate") or _stored(error, "pgcode")
        for key in _KEYS:
            if type(name := _driver_attribute(said, f"{key}_name")) is str:
                facts[key] = told(name, 100)
    else:
        state = _stored(error, "sqlstate")
        for key in _KEYS:
            if name := _stored(error, f"{key}_name"):
                facts[key] = told(name, 100)
    if state and _SQLSTATE.fullmatch(state):
        facts["sqlstate"] = state
    return facts


def _diagnosis(error: BaseException) -> Any:
    # The driver's own property, also where a class of the project is derived from its error.
    for cls in mro(type(error)):
        if type_name(cls) in _PSYCOPG and (found := namespace(cls).get("diag")) is not None:
            return found.__get__(error)
    return None


def _driver_attribute(said: Any, name: str) -> object:
    if said is None or not type_name(type(said)).startswith("psycopg"):
        return None
    return getattr(said, name, None)


def _stored(error: BaseException, name: str) -> str:
    found = attribute(error, name)
    return found if type(found) is str else _of_class(error, name)


def _named(message: str) -> dict[str, Json]:
    facts: dict[str, Json] = {}
    for key, pattern in _NAMES:
        if found := pattern.search(message):
            facts[key] = next(name for name in found.groups() if name)
    if found := _OF_SQLITE.search(message):
        facts |= {"table": found[1], "column": found[2]}
    return facts
