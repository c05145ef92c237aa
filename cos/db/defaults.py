"""Column defaults at construction.

SQLAlchemy evaluates ``default=`` when a row is inserted, so a new object shows ``None`` until then
and every check that runs before the flush sees a value that will never be stored. The listeners
here evaluate the defaults that need nothing but Python as soon as the object is made, and let a
``None`` that the caller asked for reach the database.
"""

import copy
from collections.abc import Callable
from types import FunctionType
from typing import Any, Final, TypeVar

from sqlalchemy import JSON, Column, event, inspect
from sqlalchemy.orm import ColumnProperty, DeclarativeBase, Mapper
from sqlalchemy.sql.schema import CallableColumnDefault, ScalarElementColumnDefault

__all__ = ["with_defaults_at_construction"]

ADAPTERS: Final = "sqlalchemy.sql.schema"

AnyBase = TypeVar("AnyBase", bound=type[DeclarativeBase])


def with_defaults_at_construction(base: AnyBase) -> AnyBase:
    """Decorate a declarative base: new objects of its models have their Python-side defaults.

    Scalars and callables without arguments are evaluated, inherited ones too. SQL expressions,
    sequences, server defaults and callables that want an execution context stay with the flush. An
    explicit argument wins, also ``None``, which is stored as NULL; only ``JSON(none_as_null=True)``
    cannot tell an explicit ``None`` from none at all when the row is inserted.
    """
    event.listen(base, "init", _apply, propagate=True)
    event.listen(base, "mapper_configured", _store_explicit_none, propagate=True)
    return base


def _apply(target: object, _args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Set every default; this runs before ``__init__``, which overwrites what it is given.

    A value that is passed is not computed. A None is no proof of being passed: for a constructor of
    the class's own, ``kwargs`` holds the defaults of its signature as well.
    """
    mapper: Mapper[Any] = inspect(type(target))
    for attribute in mapper.column_attrs:
        if kwargs.get(attribute.key) is None:
            produce = _producer(attribute)
            if produce is not None:
                setattr(target, attribute.key, produce())


def _store_explicit_none(mapper: Mapper[Any], _class: type[object]) -> None:
    """Make the flush send None where the column has a default that objects have from the start.

    Otherwise it takes None for "no value" and evaluates the default once more.
    """
    for attribute in mapper.column_attrs:
        if _producer(attribute) is None:
            continue
        for column in attribute.columns:
            # For JSON types this switch means the JSON value null, which is theirs to decide.
            if isinstance(column, Column) and not isinstance(column.type, JSON):
                column.type = column.type.evaluates_none()


def _producer(attribute: ColumnProperty[Any]) -> Callable[[], Any] | None:
    # A joined subclass maps one attribute to columns of two tables; either may hold the default.
    for column in attribute.columns:
        default = column.default if isinstance(column, Column) else None
        if isinstance(default, ScalarElementColumnDefault):
            # A mutable scalar must not be shared between objects.
            scalar = default.arg
            return lambda: copy.deepcopy(scalar)
        if isinstance(default, CallableColumnDefault) and _takes_no_argument(default):
            function: Any = default.arg
            # The adapter that SQLAlchemy puts around such a callable takes a context and drops it.
            return lambda: function(None)
    return None


def _takes_no_argument(default: CallableColumnDefault) -> bool:
    # SQLAlchemy stores `fn` itself where it wants a context and a lambda of its own where it does
    # not. functools.update_wrapper disguises that lambda's name and module, not its globals.
    stored: object = default.arg
    return isinstance(stored, FunctionType) and stored.__globals__.get("__name__") == ADAPTERS
