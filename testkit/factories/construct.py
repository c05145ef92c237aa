"""An object from the values of its attributes, whatever its constructor takes."""

from __future__ import annotations

import inspect
import uuid
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from factory.base import StubObject
from sqlalchemy.orm import InstanceState

from testkit.core.messages import TestkitError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from testkit.factories.shape import ParentLink

__all__ = [
    "accepted_by",
    "check_parents",
    "check_uuids",
    "constructor_of",
    "fill_keys",
    "is_mapped",
    "is_pending",
    "key_of",
    "unknown_attribute",
]


def constructor_of(
    model: type, keys: Collection[str]
) -> Callable[[tuple[Any, ...], dict[str, Any]], Any]:
    """Return what makes an object; values that the constructor does not take are set behind it.

    ``keys`` are attributes that a relationship fills.
    """
    parameters = list(inspect.signature(model).parameters.values())
    if any(each.kind is each.VAR_KEYWORD for each in parameters):
        return lambda args, fields: model(*args, **fields)
    taken = {each.name for each in parameters if each.kind is not each.POSITIONAL_ONLY}

    wanted = [each.name for each in parameters if each.default is each.empty and each.name in keys]

    def construct(args: tuple[Any, ...], fields: dict[str, Any]) -> Any:
        given = {name: value for name, value in fields.items() if name in taken}
        if not args:  # the key of a parent that is given by its relationship comes with the flush
            given = dict.fromkeys(wanted) | given
        made = model(*args, **given)
        for name, value in fields.items():
            if name not in taken:
                setattr(made, name, value)
        return made

    return construct


def accepted_by(model: type) -> frozenset[str]:
    """Return the names of what the constructor takes, beside the mapped attributes."""
    several = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    parameters = inspect.signature(model).parameters.values()
    return frozenset(each.name for each in parameters if each.kind not in several)


def fill_keys(made: Any, fields: Mapping[str, Any], parents: Iterable[ParentLink]) -> None:
    """Copy the keys of parents that have one already, as a flush would do."""
    own = made.__dict__
    for link in parents:
        parent = fields.get(link.name) if link.name else None
        if parent is None:
            continue
        known = vars(parent)
        for local, remote in link.pairs:
            if own.get(local) is None and known.get(remote) is not None:
                setattr(made, local, known[remote])


def check_uuids(factory: str, fields: Mapping[str, Any], names: Iterable[str]) -> None:
    """Raise TK403 for a text where a ``uuid.UUID`` belongs."""
    for name in names:
        value = fields.get(name)
        if isinstance(value, str):
            try:
                fix = f"uuid.UUID({str(uuid.UUID(value))!r})"
            except ValueError:
                fix = "uuid.uuid4()"
            raise TestkitError("TK403", factory=factory, attribute=name, value=value, fix=fix)


def check_parents(factory: str, fields: Mapping[str, Any], parents: Iterable[ParentLink]) -> None:
    """Raise TK421 for what is no row where a relationship wants one."""
    for link in parents:
        value = fields.get(link.name) if link.name else None
        if value is not None and not isinstance(value, (link.target, StubObject)):
            raise TestkitError(
                "TK421",
                factory=factory,
                relationship=link.name,
                value=value,
                target=link.target.__name__,
                key=", ".join(local for local, _ in link.pairs),
            )


def unknown_attribute(factory: str, name: str, known: Iterable[str], model: str) -> TestkitError:
    """Return TK402, which names the nearest attribute."""
    names = sorted(each for each in known if not each.startswith("_"))
    return TestkitError(
        "TK402",
        factory=factory,
        attribute=name,
        model=model,
        nearest=nearest(name, names),
        known=", ".join(names),
    )


def key_of(made: object) -> tuple[Any, ...]:
    """Return the primary key, with None for what the server will give."""
    return tuple(sa.inspect(type(made)).primary_key_from_instance(made))


def is_pending(value: object) -> bool:
    """Return whether this is a mapped object that has no row yet."""
    state = sa.inspect(value, raiseerr=False)
    return isinstance(state, InstanceState) and (state.transient or state.pending)


def is_mapped(model: object) -> bool:
    """Return whether SQLAlchemy knows the class."""
    return isinstance(model, type) and sa.inspect(model, raiseerr=False) is not None
