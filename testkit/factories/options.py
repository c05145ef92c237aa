"""The options of a factory: the model from its type argument, the fields from the mapper."""

from __future__ import annotations

import sys
import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, ForwardRef, get_args, get_origin

import sqlalchemy as sa
from factory.alchemy import SQLAlchemyOptions
from factory.base import BaseFactory as FactoryBase
from factory.base import FactoryMetaClass, OptionDefault
from factory.builder import DeclarationSet, parse_declarations
from factory.declarations import SubFactory, Trait
from factory.enums import SPLITTER
from factory.utils import sort_ordered_objects

from testkit.core.messages import TestkitError
from testkit.factories.building import is_hookless, making
from testkit.factories.construct import (
    accepted_by,
    check_parents,
    check_uuids,
    constructor_of,
    is_mapped,
    unknown_attribute,
)
from testkit.factories.derive import declarations_for
from testkit.factories.parents import ParentOrKey
from testkit.factories.registry import note
from testkit.factories.sessions import session_of
from testkit.factories.shape import shape_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.factories.shape import Shape

__all__ = ["FactoryMeta", "FactoryOptions"]

_NO_HOOKS: Final = DeclarationSet()
# Two threads may be the first to use a factory; parents are completed inside.
_completing: Final = threading.RLock()


class FactoryOptions(SQLAlchemyOptions):
    """factory-boy's, with fields that nobody declared completed from the mapper at the first use.

    At the declaration of a factory the other models need not exist yet.
    """

    factory: Any
    rename: dict[str, str]
    inline_args: tuple[str, ...]
    derived: bool
    sqlalchemy_session_persistence: str | None

    def __init__(self) -> None:
        self._declared = False
        self._all: dict[str, Any] | None = None
        super().__init__()  # type: ignore[no-untyped-call]  # factory-boy's

    def _build_default_options(self) -> list[OptionDefault]:
        return [
            *super()._build_default_options(),  # type: ignore[no-untyped-call]  # factory-boy's
            OptionDefault("session_fixture", "db_session", inherit=True),
            OptionDefault("async_session_fixture", "async_db_session", inherit=True),
            OptionDefault("derived", False, inherit=False),
        ]

    def contribute_to_class(
        self,
        factory: Any,
        meta: Any = None,
        base_meta: Any = None,
        base_factory: Any = None,
        params: Any = None,
    ) -> None:
        """Read the class body, and the model from ``Factory[Model]`` where ``Meta`` has none."""
        model = _type_argument(factory)
        if model is not None and getattr(meta, "model", None) is None:
            own = {k: v for k, v in vars(meta or object).items() if not k.startswith("_")}
            meta = type("Meta", (meta,) if meta else (), {**own, "model": model})
        super().contribute_to_class(factory, meta, base_meta, base_factory, params)  # type: ignore[no-untyped-call]  # factory-boy's
        if (
            not isinstance(base_meta, FactoryOptions)
            and self.sqlalchemy_session_persistence is None
        ):
            self.sqlalchemy_session_persistence = "commit"  # mixed in, where None is no choice
        self._declared = True
        if self.model is not None and not self.abstract and not self.derived:
            if not is_mapped(self.model):
                raise TestkitError("TK405", factory=factory.__name__, model=repr(self.model))
            note(factory, self.model)

    # factory-boy sets and reads these two; they are complete from the first reading on.

    @property
    def pre_declarations(self) -> DeclarationSet:
        """What is evaluated before an object is made."""
        self._complete()
        return self._pre

    @pre_declarations.setter
    def pre_declarations(self, found: DeclarationSet) -> None:
        self._pre = found

    @property
    def post_declarations(self) -> DeclarationSet:
        """The hooks behind it; there are none for what is no object, a payload or a row."""
        return _NO_HOOKS if is_hookless() else self._post

    @post_declarations.setter
    def post_declarations(self, found: DeclarationSet) -> None:
        self._post = found

    @property
    def declarations(self) -> dict[str, Any]:
        """Return what is declared, the mapper's part included once it is known.

        Until then, without what a trait gives a parent, which may be still to be derived.
        """
        if self._all is not None:
            return self._all
        declared: dict[str, Any] = super().declarations
        return {name: each for name, each in declared.items() if SPLITTER not in name}

    def _complete(self) -> None:
        if self._all is None and self._declared and not self.abstract:
            with _completing:
                if self._all is None:
                    self._find_all()

    def _find_all(self) -> None:
        found = {**self._find_derived(), **self.base_declarations, **self._find_key_aware()}
        parameters = sort_ordered_objects(self.parameters.items(), getter=lambda item: item[1])
        for name, each in parameters:
            found.update(each.as_declarations(name, found))
        self._pre, self._post = parse_declarations(found)
        self._all = found  # last: another thread may look without the lock

    def _find_derived(self) -> dict[str, Any]:
        hidden = {
            name
            for each in self.parameters.values()
            if isinstance(each, Trait)
            for name in each.overrides
        }
        declared = {*self.base_declarations, *self.parameters, *self.rename.values()}
        root = self.factory.root_class()
        keys = {local for link in self.shape.parents for local, _ in link.pairs}
        return declarations_for(self.shape, root, declared=declared, hidden=hidden & keys)

    def _find_key_aware(self) -> dict[str, Any]:
        keys = {
            link.name: [local for local, _ in link.pairs]
            for link in self.shape.parents
            if link.name is not None
        }
        return {
            name: ParentOrKey(each, keys[name])
            for name, each in self.base_declarations.items()
            if type(each) is SubFactory and name in keys
        }

    @cached_property
    def shape(self) -> Shape:
        """What the mapper says."""
        return shape_of(self.model)

    @cached_property
    def construct(self) -> Callable[[tuple[Any, ...], dict[str, Any]], Any]:
        """What makes an object of the model."""
        keys = {key for link in self.shape.parents if link.name for key, _ in link.pairs}
        return constructor_of(self.model, keys)

    @cached_property
    def uuids(self) -> tuple[str, ...]:
        """The attributes that hold a ``uuid.UUID``."""
        return tuple(
            name
            for name, each in self.shape.attributes.items()
            if isinstance(each.column.type, sa.Uuid) and each.column.type.as_uuid
        )

    @cached_property
    def accepted(self) -> frozenset[str]:
        """The names that can be passed to the model, or set behind it."""
        return self.shape.settable | accepted_by(self.model) | {*self.rename.values()}

    @cached_property
    def known(self) -> frozenset[str]:
        """The names that a call may give."""
        return self.accepted | {*self.base_declarations, *self.parameters}

    def prepare_arguments(
        self, attributes: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Check what will be passed to the model. Raises TK402, TK403, TK421."""
        args, fields = super().prepare_arguments(attributes)  # type: ignore[no-untyped-call]  # factory-boy's
        if is_hookless():
            fields = {name: each for name, each in fields.items() if name not in self._post}
        unknown = fields.keys() - self.accepted
        unknown = {each for each in unknown if not hasattr(self.model, each)}
        if unknown and self.factory.builds_itself():
            raise unknown_attribute(
                self.factory.__name__, min(unknown), self.known, self.model.__name__
            )
        check_parents(self.factory.__name__, fields, self.shape.parents)
        check_uuids(self.factory.__name__, fields, self.uuids)
        return args, fields

    def instantiate(self, step: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Make the object, and save it where it is to be created."""
        drawn_keys = step.__dict__.get("drawn_keys")
        if drawn_keys:
            kwargs = {**kwargs, **drawn_keys}
        given = step.builder.extras
        for link in self.shape.parents if given else ():
            by_key = any(local in given for local, _ in link.pairs)
            if by_key and link.name in kwargs and link.name not in given:
                del kwargs[link.name]  # of a trait, say; the call names the row itself
        if step.builder.strategy == "stub":  # which would lose them
            kwargs = {**dict(zip(self.inline_args, args, strict=True)), **kwargs}
        with making(step):
            made = super().instantiate(step, args, kwargs)  # type: ignore[no-untyped-call]  # factory-boy's
        step.is_made = True
        return made

    def use_postgeneration_results(self, step: Any, instance: Any, results: dict[str, Any]) -> None:
        """Write what the post-generation hooks changed."""
        super().use_postgeneration_results(step, instance, results)  # type: ignore[no-untyped-call]  # factory-boy's
        if results and step.builder.strategy == "create":
            self.factory.note_hooks()

    def write_first(self, parent: Any) -> None:
        """Send a parent to the database that no relationship puts before its children."""
        if sa.inspect(parent, raiseerr=False) is not None:
            session = sa.inspect(parent).session
            (session or session_of(self.factory)).flush()


class FactoryMeta(FactoryMetaClass):
    """The metaclass: a factory of factory-boy that is mixed in must not bring its options along."""

    def __new__(mcs, name: str, bases: tuple[type, ...], attributes: dict[str, Any]) -> Any:
        """Create a factory class."""
        chosen = next((b._options_class for b in bases if hasattr(b, "_options_class")), None)  # noqa: SLF001 - factory-boy's
        if chosen is not None and not issubclass(chosen, FactoryOptions):
            # factory-boy takes the options of the first base that has some.
            bases = (type("MixedIn", (), {"_options_class": FactoryOptions}), *bases)
        return super().__new__(mcs, name, bases, attributes)  # type: ignore[no-untyped-call]  # factory-boy's


def _type_argument(factory: Any) -> Any:
    """Return the model in ``Factory[Model]``, or in a generic class derived from that."""
    found: list[Any] = []
    for origin in factory.__dict__.get("__orig_bases__", ()):
        if issubclass(get_origin(origin) or object, FactoryBase):
            found += [_resolved(factory, each) for each in get_args(origin)]
    found = [each for each in found if isinstance(each, type)]
    return next((each for each in found if is_mapped(each)), found[0] if found else None)


def _resolved(factory: Any, argument: Any) -> Any:
    if not isinstance(argument, (str, ForwardRef)):
        return argument
    name = argument if isinstance(argument, str) else argument.__forward_arg__
    model = vars(sys.modules[factory.__module__]).get(name)
    if model is None:
        raise TestkitError("TK405", factory=factory.__name__, model=repr(name))
    return model
