"""The body of a request, from a factory."""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import enum
import uuid
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from factory.base import StubObject
from factory.declarations import Maybe

from testkit.factories.building import Builder
from testkit.factories.declarations import Default
from testkit.factories.parents import ParentKey
from testkit.factories.registry import default_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["as_json", "payload_of"]


def payload_of(factory: Any, fields: dict[str, Any]) -> dict[str, Any]:
    """Return what the factory would give the model, without what the model has a default for."""
    meta = factory._meta  # noqa: SLF001 - factory-boy's place for options
    given = {name.partition("__")[0] for name in fields}
    values = vars(Builder(meta, dict(fields), "stub").build())  # type: ignore[no-untyped-call]  # factory-boy's
    found: dict[str, Any] = {}
    for name, value in values.items():
        private = name.startswith("_")  # a hybrid, mostly, stands for it
        if name not in given and (private or _left_to_the_model(meta, name, value)):
            continue
        link = next((each for each in meta.shape.parents if each.name == name), None)
        if link is not None:
            if value is not None and not isinstance(value, StubObject):
                found.update({k: as_json(getattr(value, remote)) for k, remote in link.pairs})
        elif name in given or not _is_key_of_nobody(meta, name):
            found[name] = as_json(value)
    return found


def _is_key_of_nobody(meta: Any, name: str) -> bool:
    """Return whether it is the key of a parent that would be made for the row."""
    declaration = meta.pre_declarations.declarations.get(name)
    return isinstance(declaration, ParentKey) and not default_of(declaration.parent.link.target)


def _left_to_the_model(meta: Any, name: str, value: Any) -> bool:
    declaration = meta.pre_declarations.declarations.get(name)
    by_trait = isinstance(declaration, Maybe)
    while isinstance(declaration, Maybe):
        declaration = declaration.no
    if by_trait and isinstance(declaration, Default):
        return bool(value == declaration.value(None, None))  # no trait gave another
    attribute = meta.shape.attributes.get(name)
    # A key that is no UUID names the row in its own words, which the caller chooses.
    own_key = (
        attribute is not None
        and attribute.column.primary_key
        and isinstance(attribute.column.type, sa.Uuid)
    )
    return isinstance(declaration, Default) or (own_key and name not in meta.base_declarations)


def _duration(value: dt.timedelta) -> str:
    part = f".{value.microseconds:06d}" if value.microseconds else ""
    return f"P{value.days}DT{value.seconds}{part}S"


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode()


# The first type that fits; what is in none of them stays as it is, or becomes text.
_CONVERSIONS: Final[tuple[tuple[type, Callable[[Any], Any]], ...]] = (
    (enum.Enum, lambda value: as_json(value.value)),
    (uuid.UUID, str),
    (decimal.Decimal, str),
    (dt.date, lambda value: value.isoformat()),
    (dt.time, lambda value: value.isoformat()),
    (dt.timedelta, _duration),
    (bytes, _text),
    (Mapping, lambda value: {str(key): as_json(each) for key, each in value.items()}),
    (list, lambda value: [as_json(each) for each in value]),
    (tuple, lambda value: [as_json(each) for each in value]),
    (AbstractSet, lambda value: [as_json(each) for each in value]),
)


def as_json(value: Any) -> Any:
    """Return the value in a type that JSON has: what pydantic reads back by default."""
    for kind, convert in _CONVERSIONS:
        if isinstance(value, kind):
            return convert(value)
    return value if value is None or isinstance(value, (str, int, float)) else str(value)
