"""``doubles``: mocks and hand-written stand-ins in the places that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from testkit.core.runs.failure import Evidence
from testkit.record.evidence.safely import attributes, mro, namespace, type_name
from testkit.record.evidence.scene import locals_of
from testkit.record.evidence.texts import told

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from testkit.core.runs.failure import Json
    from testkit.record.evidence.scene import Scene

__all__ = ["doubles"]

_MOST: Final = 10
_MOST_PLACES: Final = 8
_MOST_NAMES: Final = 60
_MOCKS: Final = ("unittest.mock.NonCallableMock", "mock.mock.NonCallableMock")
#: What a class has that stands for a session, a connection or a client of Redis.
_SESSION: Final = frozenset(
    (
        "add",
        "commit",
        "execute",
        "flush",
        "get",
        "query",
        "refresh",
        "rollback",
        "scalar",
        "scalars",
    )
)
_LEAST_IN_COMMON: Final = 3
_REAL: Final = ("sqlalchemy.", "sqlmodel.", "psycopg", "asyncpg.", "redis.", "sqlite3.")


def doubles(scene: Scene) -> Iterator[Evidence]:
    """Tell each, innermost place first, with its class, what it stands for and where it was met."""
    found: list[Json] = []
    seen: set[int] = set()
    for place in reversed(scene.own[-_MOST_PLACES:]):
        for name, thing in _in(place):
            if id(thing) in seen or len(found) >= _MOST:
                continue
            seen.add(id(thing))
            facts = _double(thing, scene)
            if facts is not None:
                found.append({"name": told(name, 100), **facts, "where": _where(place, scene)})
        if scene.budget.spent:
            break
    if found:
        yield Evidence("doubles", {"names": found})


def _in(place: TracebackType) -> Iterator[tuple[str, Any]]:
    """Return the variables of a place and what their objects hold, one level deep."""
    held = list(locals_of(place.tb_frame).items())[:_MOST_NAMES]
    for name, thing in held:
        if not name.startswith("@"):
            yield name, thing
    for name, thing in held:
        if name.startswith("@") or _is_mock(thing):
            continue
        for attribute, value in list(attributes(thing).items())[:_MOST_NAMES]:
            if not attribute.startswith("__"):
                yield f"{name}.{attribute}", value


def _double(thing: object, scene: Scene) -> dict[str, Json] | None:
    cls = type(thing)
    if _is_mock(thing):
        spec: Any = attributes(thing).get("_spec_class")
        name = type_name(spec) if _is_class(spec) else ""
        return {"type": _mock_name(cls), "spec": name}
    if _stands_in(cls, scene):
        return {"type": type_name(cls), "spec": ""}
    return None


def _is_class(thing: object) -> bool:
    return any(cls is type for cls in mro(type(thing)))


def _is_mock(thing: object) -> bool:
    return any(type_name(cls) in _MOCKS for cls in mro(type(thing)))


def _mock_name(cls: type) -> str:
    # Each mock is of a class of its own, of the same name as the one that was called.
    return f"unittest.mock.{type_name(cls).rpartition('.')[2]}"


def _stands_in(cls: type, scene: Scene) -> bool:
    """Tell whether a class of the project has the methods of a session and is none."""
    names: set[str] = set()
    own = False
    for one in mro(cls):
        dotted = type_name(one)
        if dotted.startswith(_REAL):
            return False
        for name, value in namespace(one).items():
            if name in _SESSION:
                names.add(name)
                code = getattr(value, "__code__", None) if _is_function(value) else None
                if code is not None and scene.places.owner(code.co_filename) in {
                    "test",
                    "project",
                }:
                    own = True
    return own and len(names) >= _LEAST_IN_COMMON and bool(names & _TELLING)


_TELLING: Final = frozenset(("commit", "execute", "flush", "query", "scalars", "rollback"))


def _is_function(value: object) -> bool:
    return type(value) is type(_is_mock)


def _where(place: TracebackType, scene: Scene) -> str:
    code = place.tb_frame.f_code
    return f"{scene.places.relative(code.co_filename)}:{place.tb_lineno or 0}"
