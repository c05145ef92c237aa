"""Reading objects of somebody else's without running a line of their code.

Classes are taken from ``type()``, never from ``__class__``; attributes from instance dictionaries
and slots, never through properties or ``__getattr__``; texts only of exact builtin types.
"""

from __future__ import annotations

import types
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "MISSING",
    "attribute",
    "attributes",
    "is_a",
    "is_plain",
    "mro",
    "namespace",
    "shown",
    "type_name",
]

#: What ``attributes(…).get`` and the like answer with where None would be an answer.
MISSING: Final = object()
_MODULE: Final = type.__dict__["__module__"]
_QUALNAME: Final = type.__dict__["__qualname__"]
_MRO: Final = type.__dict__["__mro__"]
_NAMESPACE: Final = type.__dict__["__dict__"]
_BUILTIN_DESCRIPTORS: Final = (types.GetSetDescriptorType, types.MemberDescriptorType)
_SCALARS: Final = frozenset(
    (type(None), bool, int, float, complex, str, bytes, timedelta, date, Decimal, UUID)
)
_SEQUENCES: Final = frozenset((list, tuple, set, frozenset))
_BRACKETS: Final[dict[type, str]] = {list: "[]", tuple: "()", set: "{}", frozenset: "{}"}
_ZONES: Final = frozenset((type(None), timezone))
# More bits than that are not written as digits: it takes time that grows with their square.
_MOST_BITS: Final = 1_000
_MOST_MEMBERS: Final = 20
_DEEPEST: Final = 4


def mro(cls: type) -> tuple[type, ...]:
    """Return the classes of a class, without asking its metaclass."""
    found: tuple[type, ...] = _MRO.__get__(cls)
    return found


def namespace(cls: type) -> types.MappingProxyType[str, Any]:
    """Return what a class itself defines, without asking its metaclass."""
    found: types.MappingProxyType[str, Any] = _NAMESPACE.__get__(cls)
    return found


def type_name(cls: type) -> str:
    """Return the dotted name of a class; builtins without their module."""
    module, name = _MODULE.__get__(cls), _QUALNAME.__get__(cls)
    if type(module) is not str or module == "builtins":
        return str.__str__(name)
    return f"{module}.{str.__str__(name)}"


def is_a(thing: object, *names: str) -> bool:
    """Tell whether one of the classes of a thing has one of these dotted names."""
    return any(type_name(cls) in names for cls in mro(type(thing)))


def attributes(thing: object) -> dict[str, Any]:
    """Return the instance dictionary of a thing, empty where it has none of the usual form."""
    for cls in mro(type(thing)):
        descriptor = namespace(cls).get("__dict__")
        if descriptor is None:
            continue
        # A property of that name is somebody's code.
        if type(descriptor) not in _BUILTIN_DESCRIPTORS:
            return {}
        found = descriptor.__get__(thing)
        if not any(one is dict for one in mro(type(found))):
            return {}
        return {
            key: value
            for key, value in islice(dict.items(found), 1_000)
            if type(key) is str  # another key would compare itself
        }
    return {}


def attribute(thing: object, name: str) -> Any:
    """Return an attribute that is stored in the thing itself, else ``MISSING``."""
    for cls in mro(type(thing)):
        found = namespace(cls).get(name)
        if type(found) is types.MemberDescriptorType:
            try:
                return found.__get__(thing)
            except AttributeError:
                return MISSING
    return attributes(thing).get(name, MISSING)


def is_plain(value: object, *, depth: int = 3) -> bool:
    """Tell whether a value and all that it holds are of exact builtin types, and few."""
    cls = type(value)
    if cls is int:
        return int.bit_length(value) < _MOST_BITS  # type: ignore[arg-type]  # it is a number
    if cls in _SCALARS:
        return True
    if cls is datetime or cls is time:
        return type(value.tzinfo) in _ZONES  # type: ignore[attr-defined]  # the types say so
    if depth == 0 or (cls not in _SEQUENCES and cls is not dict):
        return False
    if len(value) > _MOST_MEMBERS:  # type: ignore[arg-type]  # one of the builtin containers
        return False
    return all(is_plain(one, depth=depth - 1) for one in _members(value))


def _members(value: Any) -> Iterator[object]:
    if type(value) is dict:
        for key, member in tuple(value.items()):
            yield key
            yield member
    else:
        yield from tuple(value)


def shown(value: object, most: int = 200, *, depth: int = _DEEPEST) -> str:
    """Return ``repr`` of a builtin, cut; ``<module.Class>`` of anything else."""
    cls = type(value)
    if cls is str:
        text = repr(value[: most + 1])  # type: ignore[index]  # it is a text
    elif cls is bytes:
        text = repr(value[: most + 1])  # type: ignore[index]  # the same
    elif cls is int:
        bits = value.bit_length()  # type: ignore[attr-defined]  # it is a number
        text = repr(value) if bits < _MOST_BITS else f"<int of {bits} bits>"
    elif cls in _SCALARS or ((cls is datetime or cls is time) and is_plain(value)):
        text = repr(value)
    elif cls in _SEQUENCES or cls is dict:
        text = _container(value, most, depth)
    else:
        text = f"<{type_name(cls)}>"
    return text if len(text) <= most else text[:most] + "…"


def _container(value: Any, most: int, depth: int) -> str:
    brackets = _BRACKETS.get(type(value), "{}")
    opening, closing = brackets[0], brackets[1]
    if depth == 0:
        return f"{opening}…{closing}"
    parts: list[str] = []
    length = 0
    # Copied first: another thread may change it meanwhile.
    copied = islice(value.items() if type(value) is dict else value, _MOST_MEMBERS)
    for member in tuple(copied):
        if type(value) is dict:
            key, held = member
            text = f"{shown(key, most, depth=depth - 1)}: {shown(held, most, depth=depth - 1)}"
        else:
            text = shown(member, most, depth=depth - 1)
        parts.append(text)
        length += len(text)
        if length > most:
            break
    more = ", …" if len(parts) < len(value) else ""
    if type(value) is tuple and len(value) == 1:
        more = ","
    if not value and type(value) in {set, frozenset}:
        return f"{type(value).__name__}()"
    return f"{opening}{', '.join(parts)}{more}{closing}"
