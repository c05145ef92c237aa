"""Objects of SQLAlchemy's ORM that a fixture gives to the tests of its scope."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Collection, Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["unreadable"]

_DEEPEST: Final = 3
_MOST_MEMBERS: Final = 1000  # of one collection


def unreadable(value: object) -> list[str]:
    """Describe the mapped objects, in the value or in its collections, that tests cannot read.

    They are in a session, which would load what a test changed and hold a transaction open, or
    expired and in none, so that each access raises DetachedInstanceError.
    """
    if "sqlalchemy.orm" not in sys.modules:
        return []
    return sorted({text for member in _members(value, _DEEPEST) if (text := _trouble(member))})


def _members(value: Any, depth: int) -> Iterator[object]:
    if isinstance(value, (str, bytes, type)):
        return
    yield value
    if depth == 0:
        return
    inside: Collection[object] = ()
    if isinstance(value, Mapping):
        inside = value.values()
    elif isinstance(value, (list, tuple, set, frozenset)):
        inside = value
    elif dataclasses.is_dataclass(value):
        inside = [getattr(value, field.name, None) for field in dataclasses.fields(value)]
    elif isinstance(value, SimpleNamespace):
        inside = vars(value).values()
    for _, member in zip(range(_MOST_MEMBERS), inside, strict=False):
        yield from _members(member, depth - 1)


def _trouble(value: object) -> str | None:
    from sqlalchemy.orm import InstanceState  # noqa: PLC0415 - loaded by whoever has mapped objects
    from sqlalchemy.orm.attributes import instance_state  # noqa: PLC0415 - the same

    try:
        # Not `inspect`: that connects an engine, and refuses an asynchronous one.
        state: object = instance_state(value)
    except Exception:  # noqa: BLE001 - whatever a stranger's attributes raise
        return None
    if not isinstance(state, InstanceState):
        return None
    if state.session is not None:
        return f"  {type(value).__name__}: its session is not closed"
    if state.detached and state.expired:
        return f"  {type(value).__name__}: expired by the commit, and its session is closed"
    return None
