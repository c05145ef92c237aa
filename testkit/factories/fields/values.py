"""Values that Postgres takes for a column, by its type and its readable constraints."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from testkit.factories.fields import decorated, wrapped
from testkit.factories.fields.field import DIALECT, Field, Plain, Unique
from testkit.factories.fields.kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy.types import TypeEngine

    from testkit.factories.fields.bounds import Bounds

__all__ = ["plain", "unique"]


def plain(column_type: TypeEngine[Any], bounds: Bounds, name: str) -> Plain | None:
    """Compile what makes a value for a column whose values may come twice.

    The values depend on the ``Random`` alone. None where nothing is known of the type, or nothing
    that holds to the bounds: the column's value has to be declared then.
    """
    return compiled_plain(Field(column_type, bounds, name))


def unique(
    column_type: TypeEngine[Any],
    bounds: Bounds,
    name: str,
    space: str,
    prefix: str,
) -> Unique | None:
    """Compile what makes a value that differs from all others as the database compares them.

    What differs comes from the ``Draws``, in the space of that name; texts begin with the prefix
    where there is room. None as for ``plain``.
    """
    return compiled_unique(Field(column_type, bounds, name, space, prefix))


def compiled_plain(field: Field) -> Plain | None:
    """Compile for a field; see ``plain``."""
    field = _for_postgres(field)
    if wrapper := _nearest(field):
        return wrapper.plain(field, compiled_plain)
    kind = kind_of(field)
    return kind and kind.plain(field)


def compiled_unique(field: Field) -> Unique | None:
    """Compile for a field; see ``unique``."""
    field = _for_postgres(field)
    if wrapper := _nearest(field):
        return wrapper.unique(field, compiled_unique)
    kind = kind_of(field)
    return kind.unique(field) if kind and kind.unique else None


def _for_postgres(field: Field) -> Field:
    """Choose the variant for Postgres, and the native type of what every database has."""
    return replace(field, type=field.type.dialect_impl(DIALECT))


class _Wrapper(NamedTuple):
    """What compiles the makers of a type that holds another; it is given the compiler."""

    plain: Callable[[Field, Callable[[Field], Plain | None]], Plain | None]
    unique: Callable[[Field, Callable[[Field], Unique | None]], Unique | None]


_WRAPPERS: Final[Mapping[type, _Wrapper]] = {
    sa.ARRAY: _Wrapper(wrapped.plain_array, wrapped.unique_array),
    pg.DOMAIN: _Wrapper(wrapped.plain_domain, wrapped.unique_domain),
    sa.TypeDecorator: _Wrapper(decorated.plain_decorated, decorated.unique_decorated),
}


def _nearest(field: Field) -> _Wrapper | None:
    """Return the wrapper of a type; None where it has makers of its own (``PickleType``)."""
    if kind_of(field) is not None:
        return None
    return next((_WRAPPERS[kind] for kind in type(field.type).__mro__ if kind in _WRAPPERS), None)
