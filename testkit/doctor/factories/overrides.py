"""What a factory declares, and what a trait sets beside what the factory gives without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from factory.declarations import Trait
from factory.enums import get_builder_phase

from testkit.doctor.factories.trial import Override

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["declared_by", "overrides_of"]

_NOTHING: Final = object()


def overrides_of(factory: Any, trait: str) -> tuple[Override, ...]:
    """Return the fields that the trait sets.

    A field is the same where both are one constant, or one declaration; a column that the factory
    does not declare gets the constant default of its model.
    """
    meta = factory._meta  # noqa: SLF001 - factory-boy's place for options
    usual = {**_defaults(meta.model), **meta.base_declarations}
    return tuple(
        Override(name, _same(usual.get(name, _NOTHING), value))
        for name, value in meta.parameters[trait].overrides.items()
    )


def declared_by(factory: Any, traits: Iterable[str]) -> set[str]:
    """Return the attributes that the factory declares, or traits and those that they turn on."""
    meta = factory._meta  # noqa: SLF001 - factory-boy's
    found, todo, seen = set(meta.base_declarations), list(traits), set()
    while todo:
        name = todo.pop()
        seen.add(name)
        if isinstance(meta.parameters.get(name), Trait):
            overrides = meta.parameters[name].overrides
            found.update(overrides)
            todo += overrides.keys() - seen
    return {meta.rename.get(name, name) for name in found}


def _same(usual: Any, value: Any) -> bool:
    if usual is value:
        return True
    if _declares(usual) or _declares(value):
        return False
    return type(usual) is type(value) and bool(usual == value)


def _declares(value: Any) -> bool:
    return get_builder_phase(value) is not None


def _defaults(model: Any) -> dict[str, Any]:
    mapper = sa.inspect(model, raiseerr=False)
    found = {}
    for prop in mapper.column_attrs if mapper is not None else ():
        default = getattr(prop.columns[0], "default", None)
        if isinstance(default, sa.ColumnDefault) and default.is_scalar:
            found[prop.key] = default.arg
    return found
