"""From the shape of a model to what its factory declares for it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from testkit.factories.declarations import (
    Combination,
    Combined,
    Default,
    Drawn,
    Later,
    Plain,
    Underivable,
)
from testkit.factories.fields.values import plain, unique
from testkit.factories.parents import Parent, ParentKey, Rival

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from testkit.factories.shape import Attribute, Shape

__all__ = ["declarations_for"]

_WIDE = 1_000_000
# The same for all rows of a transaction.
_MOMENT = re.compile(r"now|current_|localtime|transaction_timestamp", re.IGNORECASE)
# What may carry the uniqueness of several columns, best first.
_PREFERRED = (sa.String, sa.Uuid, sa.Integer, sa.Numeric, sa.DateTime, sa.Date, sa.LargeBinary)


def declarations_for(
    shape: Shape, root: Any, *, declared: Iterable[str], hidden: Iterable[str]
) -> dict[str, Any]:
    """Return declarations for what a row needs and nobody declared, by attribute.

    ``declared`` are the names that the factory has already, ``hidden`` those that traits may give:
    a key among them says that its parent is somebody else's business.
    """
    taken = set(declared)
    given = taken | set(hidden)
    found: dict[str, Any] = {}
    by_parent: set[str] = set()
    for place, link in enumerate(shape.parents):
        keys = [local for local, _ in link.pairs]
        if not link.required or any(_has_default(shape.attributes[key]) for key in keys):
            continue
        if (link.name or "") not in given and not any(key in given for key in keys):
            rivals = [
                Rival(other, earlier=before < place)
                for before, other in enumerate(shape.parents)
                if other is not link and {local for local, _ in other.pairs} & set(keys)
            ]
            parent = Parent(link, root, rivals)
            if link.name is not None:
                found[link.name] = parent
            else:
                found.update({k: ParentKey(parent, k) for k in keys if k not in by_parent})
        by_parent.update(keys)
    columns = _columns(shape, given, by_parent)
    return {name: each for name, each in {**columns, **found}.items() if name not in taken}


def _columns(shape: Shape, given: set[str], by_parent: set[str]) -> dict[str, Any]:
    drawn = _drawn(shape, given, by_parent)
    attribute_of = {each.column.name: name for name, each in shape.attributes.items()}
    found: dict[str, Any] = {}
    for name, each in shape.attributes.items():
        if name in given or name in by_parent or each.server_made:
            continue
        if name in drawn:
            found[name] = drawn[name]
        elif each.column.default is not None:
            if each.column.default.is_callable or each.column.default.is_scalar:
                found[name] = Default(each.column, attribute_of)
        elif not each.constructor_default and each.column.server_default is None and each.required:
            found[name] = _plain(shape, each)
    return found


def _plain(shape: Shape, attribute: Attribute) -> Any:
    make = plain(attribute.column.type, attribute.bounds, attribute.name)
    label = shape.model.__name__
    if make is None:
        return Underivable(label, attribute)
    if attribute.bounds.above:
        return Later(label, attribute.bounds, make)
    return Plain(label, make)


def _has_default(attribute: Attribute) -> bool:
    column = attribute.column
    return column.default is not None or column.server_default is not None


def _drawn(shape: Shape, given: set[str], by_parent: set[str]) -> dict[str, Any]:
    """Choose for every unique constraint what makes its rows different."""
    found: dict[str, Any] = {}
    for group in shape.uniques:
        if any(name in found or _differs_by_itself(shape, name) for name in group):
            continue
        own = [n for n in sorted(group) if _can_carry(shape.attributes[n], given, by_parent)]
        if not own:
            continue  # the parents differ, or whoever declared them sees to it
        makers = {name: _maker(shape, name) for name in own}
        wide = [n for n in own if (make := makers[n]) and _size(make) >= _WIDE]
        if wide:
            best = min(wide, key=lambda name: _rank(shape.attributes[name]))
            found[best] = _drawn_by(makers[best])
        elif len(group) == 1:
            found[own[0]] = _drawn_by(made) if (made := makers[own[0]]) else _none(shape, own[0])
        else:
            _together(shape, own, makers, found, alone=len(own) == len(group))
    return found


def _together(
    shape: Shape,
    own: list[str],
    makers: Mapping[str, Callable[[Any], object] | None],
    found: dict[str, Any],
    *,
    alone: bool,
) -> None:
    """Let several columns of few values tell rows apart, with nothing else or with parents."""
    sizes = {name: _size(make) for name in own if (make := makers[name]) is not None}
    space = f"{shape.attributes[own[0]].column.table}.({', '.join(own)})"
    combination = Combination(space, sizes, alone=alone)
    for name in own:
        make = makers[name]
        found[name] = Combined(name, make, combination) if make else _none(shape, name)


def _drawn_by(make: Callable[[Any], object] | None) -> Drawn:
    assert make is not None
    return Drawn(make, by_number=_probed(make).by_number)


def _none(shape: Shape, name: str) -> Any:
    return Underivable(shape.model.__name__, shape.attributes[name])


def _maker(shape: Shape, name: str) -> Callable[[Any], object] | None:
    attribute = shape.attributes[name]
    prefix = re.sub(r"[^a-z0-9]+", "-", shape.model.__name__.lower()).strip("-") or "row"
    return unique(attribute.column.type, attribute.bounds, name, attribute.space, prefix)


def _differs_by_itself(shape: Shape, name: str) -> bool:
    """Return whether every row gets a value of its own anyway."""
    attribute = shape.attributes[name]
    if attribute.server_made:
        return attribute.counts_up
    if attribute.column.default is not None and attribute.column.default.is_callable:
        # Those of other types mostly tell the time.
        return isinstance(attribute.column.type, (sa.Uuid, sa.String, sa.LargeBinary))
    return _is_call(attribute.column.server_default)


def _is_call(default: Any) -> bool:
    text = str(getattr(default, "arg", ""))
    return "(" in text and not _MOMENT.match(text)


def _can_carry(attribute: Attribute, given: set[str], by_parent: set[str]) -> bool:
    """Return whether a value is to be drawn for the column.

    Null differs from null: what may be null and has no default stays so, unless the index says
    otherwise.
    """
    elsewhere = attribute.name in given or attribute.name in by_parent or attribute.server_made
    if elsewhere or attribute.column.foreign_keys:
        return False
    return attribute.required or _has_default(attribute) or _nulls_are_equal(attribute.column)


def _nulls_are_equal(column: sa.Column[Any]) -> bool:
    table = column.table
    assert isinstance(table, sa.Table)
    holders = [*table.constraints, *table.indexes]
    return any(
        each.dialect_options["postgresql"].get("nulls_not_distinct")
        for each in holders
        if isinstance(each, (sa.UniqueConstraint, sa.Index)) and column in list(each.columns)
    )


def _rank(attribute: Attribute) -> tuple[bool, int, str]:
    """Prefer what a reader recognises, and what the row's author did not give a default."""
    kind = attribute.column.type
    place = next(
        (i for i, each in enumerate(_PREFERRED) if isinstance(kind, each)), len(_PREFERRED)
    )
    return _has_default(attribute), place, attribute.name


class _Probe:
    """Draws that only notice how many values there are."""

    def __init__(self) -> None:
        self.size = _WIDE
        self.by_number = False

    def text(self, prefix: str, *, length: int | None = None, space: str = "text") -> str:  # noqa: ARG002 - the contract of Draws
        if length is not None:
            self.size = min(self.size, 36**length)
        return "a" * min(length or 8, 8)

    def number(self, space: str, size: int) -> int:  # noqa: ARG002 - likewise
        self.size = min(self.size, size)
        self.by_number = True
        return 0


def _probed(make: Callable[[Any], object]) -> _Probe:
    probe = _Probe()
    make(probe)
    return probe


def _size(make: Callable[[Any], object]) -> int:
    return _probed(make).size
