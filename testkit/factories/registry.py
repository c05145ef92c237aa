"""Which factory makes the rows of a model, and which row stands for all of them for a while."""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["all_factories", "default_of", "factory_for", "note", "reusing"]

_declared: Final[dict[type, list[Any]]] = {}
_derived: Final[dict[type, Any]] = {}
_defaults: ContextVar[Mapping[type, object]] = ContextVar("testkit_default_parents")
_NONE: Final[Mapping[type, object]] = {}


def note(factory: Any, model: type) -> None:
    """Remember a factory that was declared for a model."""
    of_model = _declared.setdefault(model, [])
    # A module that is imported again (a second name, a reload) replaces what it declared.
    same = (factory.__module__, factory.__qualname__)
    of_model[:] = [each for each in of_model if (each.__module__, each.__qualname__) != same]
    of_model.append(factory)


def all_factories() -> list[Any]:
    """Return every factory that was declared for a model, in the order of their declaration."""
    return [factory for of_model in _declared.values() for factory in of_model]


def factory_for(model: type, root: Any) -> Any:
    """Return the factory that makes parents of this model.

    The first one declared for it that derives from no other of the same model; where none was,
    one derived from the model alone, a subclass of ``root``.
    """
    declared = _declared.get(model)
    if declared:
        return next(
            each
            for each in declared
            if not any(other is not each and issubclass(each, other) for other in declared)
        )
    if model not in _derived:
        meta = type("Meta", (), {"model": model, "derived": True})
        _derived[model] = type(root)(f"{model.__name__}Factory", (root,), {"Meta": meta})
    return _derived[model]


@contextlib.contextmanager
def reusing(model: type, parent: object) -> Iterator[None]:
    """Let nested factories take this object wherever they would make a row of the model."""
    token = _defaults.set({**_defaults.get(_NONE), model: parent})
    try:
        yield
    finally:
        _defaults.reset(token)


def default_of(model: type) -> object | None:
    """Return the object that stands for all of the model now."""
    return _defaults.get(_NONE).get(model)
