"""Whether a declaration looks at rows that are being made: then their keys must be known."""

from __future__ import annotations

from typing import Any, Final

from factory.declarations import BaseDeclaration, Iterator, Maybe, Sequence, SubFactory
from factory.faker import Faker

from testkit.factories.parents import Parent, ParentOrKey
from testkit.factories.unique import Unique

__all__ = ["looks_at_rows", "parents_look_outward"]

_SEES_NOTHING: Final = (Faker, Iterator, Sequence, Unique)


def looks_at_rows(step: Any) -> bool:
    """Return whether an object above this step is made by a declaration that may read this one."""
    above = step.parent_step
    while above is not None:
        meta = above.builder.factory_meta
        if any(map(_looks, above.builder.extras.values())) or _of_factory(meta):
            return True
        above = above.parent_step
    return False


def parents_look_outward(meta: Any) -> bool:
    """Return whether a parent is made from values of its own child."""
    declared = [*meta.base_declarations.values(), *_of_traits(meta.parameters)]
    return any(isinstance(each, SubFactory) and _looks(each) for each in declared)


def _of_factory(meta: Any) -> bool:
    found = meta.__dict__.get("looks_at_rows")
    if found is None:
        declared = [*meta.base_declarations.values(), *_of_traits(meta.parameters)]
        found = meta.__dict__["looks_at_rows"] = any(map(_looks, declared))
    return bool(found)


def _of_traits(parameters: dict[str, Any]) -> list[Any]:
    return [each for p in parameters.values() for each in getattr(p, "overrides", {}).values()]


def _looks(declared: Any) -> bool:
    if isinstance(declared, Maybe):
        return _looks(declared.yes) or _looks(declared.no)
    if isinstance(declared, (SubFactory, Parent, ParentOrKey)):
        return any(map(_looks, declared._defaults.values()))  # noqa: SLF001 - factory-boy's
    return isinstance(declared, BaseDeclaration) and not isinstance(declared, _SEES_NOTHING)
