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

from factory.declarations import Maybe

from testkit.factories.building import Builder
from testkit.factories.declarations import Default

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["as_json", "payload_of"]


def payload_of(factory: Any, fields: dict[str, Any]) -> dict[str, Any]:
    """Return what the factory would give the model, without what the model has a default for."""
    meta = factory._meta  # noqa: SLF001 - factory-boy's place for options
    given = {name.partition("__")[0] for name in fields}
    values = vars(Builder(meta, dict(fields), "stub").build())  # type: ignore[no-untyped-call]
    found: dict[str, Any] = {}
    for name, value in values.items():
        if name not in given and _left_to_the_model(meta, name, value):
            continue
        link = next((each for each in meta.shape.parents if each.name == name), None)
        if link is None:
            found[name] = as_json(value)
        elif value is not None:
            for local, remote in link.pairs:
                found[local] = as_json(getattr(value, remote))
    return found


def _left_to_the_model(meta: Any, name: str, value: Any) -> bool:
    declaration = meta.pre_declarations.declarations.get(name)
    by_trait = isinstance(declaration, Maybe)
    while isinstance(declaration, Maybe):
        declaration = declaration.no
    if by_trait and isinstance(declaration, Default):
        return bool(value == declaration.value(None, None))  # no trait gave another
    attribute = meta.shape.attributes.get(name)
    own_key = attribute is not None and attribute.column.primary_key
    return isinstance(declaration, Default) or (own_key and name not in meta.base_declarations)


def _duration(value: dt.timedelta) -> str:
    return f"P{value.days}DT{value.seconds + value.microseconds / 1_000_000:g}S"


# The first type that fits; what is in none of them stays as it is, or becomes text.
_CONVERSIONS: Final[tuple[tuple[type, Callable[[Any], Any]], ...]] = (
    (enum.Enum, lambda value: as_json(value.value)),
    (uuid.UUID, str),
    (decimal.Decimal, str),
    (dt.date, lambda value: value.isoformat()),
    (dt.time, lambda value: value.isoformat()),
    (dt.timedelta, _duration),
    (bytes, lambda value: base64.b64encode(value).decode()),
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
