"""Which factory makes the rows of a model, and which row stands for all of them for a while."""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["all_factories", "default_of", "factory_for", "note", "reusing"]

_declared: Final[dict[type, list[Any]]] = {}
_derived: Final[dict[tuple[Any, ...], Any]] = {}
_chosen: Final[dict[tuple[type, Any, Any], Any]] = {}  # until the next factory is declared
_SESSION_OPTIONS: Final = (
    "session_fixture",
    "async_session_fixture",
    "sqlalchemy_session",
    "sqlalchemy_session_factory",
    "sqlalchemy_session_persistence",
)
_defaults: ContextVar[Mapping[type, object]] = ContextVar("testkit_default_parents")
_NONE: Final[Mapping[type, object]] = {}


def note(factory: Any, model: type) -> None:
    """Remember a factory that was declared for a model."""
    of_model = _declared.setdefault(model, [])
    # A module that is imported again (a second name, a reload) replaces what it declared.
    same = (factory.__module__, factory.__qualname__)
    of_model[:] = [each for each in of_model if (each.__module__, each.__qualname__) != same]
    of_model.append(factory)
    _chosen.clear()


def all_factories() -> list[Any]:
    """Return every factory that was declared for a model, in the order of their declaration."""
    return [factory for of_model in _declared.values() for factory in of_model]


def factory_for(model: type, root: Any, child: Any) -> Any:
    """Return the factory that makes parents of this model for a child's factory.

    One declared beside it, else the first that was declared elsewhere but in a test file or a
    function: which of these there are depends on what tests run. Of several the one that derives
    from no other; where there is none, one derived from the model alone, a subclass of ``root``
    with the child's session.
    """
    key = model, root, child
    if key not in _chosen:
        _chosen[key] = _choose(model, root, child)
    return _chosen[key]


def _choose(model: type, root: Any, child: Any) -> Any:
    same = _session_of(child)
    declared = [each for each in _declared.get(model, []) if _session_of(each) == same]
    near = [each for each in declared if each.__module__ == child.__module__]
    scope = _function_of(child)
    of_function = [each for each in near if scope and _function_of(each) == scope]
    beside = [each for each in near if not _function_of(each)]
    shared = [
        each for each in declared if not _is_test_file(each.__module__) and not _function_of(each)
    ]
    for candidates in (of_function, beside, shared):
        for each in candidates:
            if not any(other is not each and issubclass(each, other) for other in candidates):
                return each
    options = {name: getattr(child._meta, name, None) for name in _SESSION_OPTIONS}  # noqa: SLF001 - factory-boy's
    key = (model, *map(id, options.values()))
    if key not in _derived:
        made = _with_identity(model)
        meta = type("Meta", (), {"model": made, "derived": True, **options})
        _derived[key] = type(root)(f"{model.__name__}Factory", (root,), {"Meta": meta})
    return _derived[key]


def _session_of(factory: Any) -> list[object]:
    options = factory._meta  # noqa: SLF001 - factory-boy's place for options
    return [getattr(options, name, None) for name in _SESSION_OPTIONS[:-1]]


def _with_identity(model: type) -> type:
    """Return the class itself, or a subclass where rows must be of one."""
    mapper: Any = sa.inspect(model)
    if mapper.polymorphic_on is None or mapper.polymorphic_identity is not None:
        return model
    known = (each for each in mapper.self_and_descendants if each.polymorphic_identity is not None)
    return next((each.class_ for each in known), model)


def _is_test_file(module: str) -> bool:
    name = module.rpartition(".")[2]
    return name.startswith("test_") or name.endswith("_test")


def _function_of(factory: Any) -> str:
    return str(factory.__qualname__.rpartition("<locals>")[0])


@contextlib.contextmanager
def reusing(model: type, parent: object) -> Iterator[None]:
    """Let nested factories take this object wherever they would make a row of the model."""
    token = _defaults.set({**_defaults.get(_NONE), model: parent})
    try:
        yield
    finally:
        _defaults.reset(token)


def default_of(model: type) -> object | None:
    """Return the object that stands for all of the model now, if need be one of a subclass."""
    defaults = _defaults.get(_NONE)
    if not defaults or model in defaults:
        return defaults.get(model)
    return next((each for kind, each in defaults.items() if issubclass(kind, model)), None)
