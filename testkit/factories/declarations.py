"""What a derived factory declares for the attributes of a model."""

from __future__ import annotations

import copy
import datetime as dt
import itertools
import math
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from factory.declarations import SKIP, BaseDeclaration, Maybe, SelfAttribute, SubFactory

from testkit.core.messages import TestkitError
from testkit.factories.building import is_parentless
from testkit.factories.chance import random_for
from testkit.factories.construct import unknown_attribute
from testkit.factories.drawing import draws_now
from testkit.factories.registry import default_of, factory_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from testkit.factories.fields.bounds import Bounds
    from testkit.factories.fields.field import Draws
    from testkit.factories.shape import Attribute, ParentLink

__all__ = [
    "Combination",
    "Combined",
    "Default",
    "Drawn",
    "Later",
    "Parent",
    "ParentKey",
    "ParentOrKey",
    "Plain",
    "SharedKey",
    "Underivable",
]


class _Derived(BaseDeclaration):
    """One whose value needs no context: quicker than what factory-boy does around ``evaluate``."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def evaluate_pre(self, instance: Any, step: Any, overrides: Any) -> Any:
        if overrides:
            raise no_parent(step, overrides)
        return self.value(instance, step)

    def value(self, instance: Any, step: Any) -> Any:
        raise NotImplementedError


def no_parent(step: Any, overrides: Any) -> TestkitError:
    """Return TK402 for what was given as of a parent, ``title__x``, and is of a plain value."""
    meta, extras = step.builder.factory_meta, step.builder.extras
    wrong = [name for name in extras if any(name.endswith(f"__{key}") for key in overrides)]
    return unknown_attribute(
        meta.factory.__name__, min(wrong, default="?"), meta.known, meta.model.__name__
    )


class Default(_Derived):
    """The column's own Python default, as at construction."""

    def __init__(self, column: Any, attribute_of: Mapping[str, str]) -> None:
        super().__init__()
        default = column.default
        self._callable = default.is_callable
        self.looks_at_others = default.is_callable and _takes_context(default)
        self._default = default.arg
        self._copied = isinstance(self._default, (list, dict, set))
        self._attribute_of = attribute_of

    def value(self, instance: Any, step: Any) -> Any:  # noqa: ARG002 - factory-boy's
        """Return the default, or call it."""
        if not self._callable:
            return copy.deepcopy(self._default) if self._copied else self._default
        try:
            return self._default(_Execution(instance, self._attribute_of))
        except (AttributeError, KeyError):
            return SKIP  # it asked for what only an execution has; SQLAlchemy calls it then


def _takes_context(default: Any) -> bool:
    """Return whether a callable default wants the execution: SQLAlchemy wraps those that do not."""
    wrapped = getattr(default.arg, "__wrapped__", None)
    return wrapped is None


class _Execution:
    """What a default that looks at the row's other values gets before there is an execution."""

    def __init__(self, instance: Any, attribute_of: Mapping[str, str]) -> None:
        self.current_parameters = _Parameters(instance, attribute_of)

    def get_current_parameters(
        self,
        isolate_multiinsert_params: bool = True,  # noqa: ARG002, FBT001, FBT002 - SQLAlchemy's
    ) -> Mapping[str, Any]:
        return self.current_parameters


class _Parameters(Mapping[str, Any]):
    def __init__(self, instance: Any, attribute_of: Mapping[str, str]) -> None:
        self._instance, self._attribute_of = instance, attribute_of

    def __getitem__(self, column: str) -> Any:
        try:
            return getattr(self._instance, self._attribute_of[column])
        except AttributeError:
            raise KeyError(column) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._attribute_of)

    def __len__(self) -> int:
        return len(self._attribute_of)


class Plain(_Derived):
    """A value of the column's type that others may have too."""

    def __init__(self, model: str, make: Callable[[Any], object]) -> None:
        super().__init__()
        self.model, self.make = model, make

    def value(self, instance: Any, step: Any) -> Any:  # noqa: ARG002 - factory-boy's
        """Return one by the test's chance."""
        return self.make(random_for(self.model))


class Drawn(_Derived):
    """A value that nobody else draws."""

    def __init__(self, make: Callable[[Draws], object]) -> None:
        super().__init__()
        self.make = make

    def value(self, instance: Any, step: Any) -> Any:  # noqa: ARG002 - factory-boy's
        """Draw one."""
        return self.make(draws_now())


class Combination:
    """Columns of few values each that tell rows apart together: how many values each has.

    ``alone``: no parent helps, so that no two rows may have the same ones.
    """

    def __init__(self, space: str, sizes: Mapping[str, int], *, alone: bool) -> None:
        self._space, self._sizes, self._alone = space, sizes, alone
        self._counts: defaultdict[str, itertools.count[int]] = defaultdict(itertools.count)

    def place_of(self, name: str, step: Any) -> int:
        """Return which of its values the column takes; what a call gave stays as it is."""
        given = {
            each: step.builder.extras[each] for each in self._sizes if each in step.builder.extras
        }
        free = [each for each in self._sizes if each not in given]
        space = f"{self._space} {given}" if given else self._space
        drawn = step.__dict__.setdefault("combinations", {})
        if space not in drawn:
            drawn[space] = self._next(space, math.prod(self._sizes[each] for each in free))
        faster = free[: free.index(name)]
        place: int = drawn[space] // math.prod(self._sizes[each] for each in faster)
        return place

    def _next(self, space: str, size: int) -> int:
        return draws_now().number(space, size) if self._alone else next(self._counts[space])


class Combined(_Derived):
    """One of the few values of a column in such a combination."""

    def __init__(
        self, name: str, make: Callable[[Draws], object], combination: Combination
    ) -> None:
        super().__init__()
        self._name, self._make, self._combination = name, make, combination

    def value(self, instance: Any, step: Any) -> Any:  # noqa: ARG002 - factory-boy's
        """Return the column's part of what is drawn for all of them."""
        return self._make(_Cycle(self._combination.place_of(self._name, step)))


class _Cycle:
    """Draws whose small numbers go round for ever."""

    def __init__(self, count: int) -> None:
        self._count = count

    def number(self, space: str, size: int) -> int:  # noqa: ARG002 - the contract of Draws
        return self._count % size

    def text(self, prefix: str, *, length: int | None = None, space: str = "text") -> str:
        return draws_now().text(prefix, length=length, space=space)

    def large(self) -> int:
        return draws_now().large()


class Later(_Derived):
    """A value greater than that of another column."""

    def __init__(self, model: str, bounds: Bounds, make: Callable[[Any], Any]) -> None:
        super().__init__()
        self._model, self._make = model, make
        self._others, self._high = bounds.above, bounds.high

    def value(self, instance: Any, step: Any) -> Any:  # noqa: ARG002 - factory-boy's
        """Return one behind those of the others, as far as they are known."""
        random = random_for(self._model)
        found: Any = self._make(random)
        values = [getattr(instance, other, None) for other in self._others]
        known: list[Any] = [value for value in values if value is not None and value is not SKIP]
        if len(known) < len(values) and isinstance(found, dt.date):
            # The server will say "now" there.
            zone = getattr(found, "tzinfo", None)
            now = dt.datetime.now(zone)
            known.append(now if isinstance(found, dt.datetime) else now.date())
        if not known or found > (last := max(known)):
            return found
        later = last + _gap(last, random)
        return later if self._high is None or later <= self._high else max(self._high, last)


def _gap(value: Any, random: Any) -> Any:
    if isinstance(value, dt.date):
        return dt.timedelta(days=random.randint(1, 30))
    return type(value)(random.randint(1, 10))


class Underivable(_Derived):
    """Raises TK406: nothing is known about values of this column."""

    def __init__(self, model: str, attribute: Attribute) -> None:
        super().__init__()
        self._model, self._attribute = model, attribute

    def value(self, instance: Any, step: Any) -> Any:  # noqa: ARG002 - factory-boy's
        """Raise TK406."""
        column = self._attribute.column
        raise TestkitError(
            "TK406",
            factory=step.builder.factory_meta.factory.__name__,
            attribute=self._attribute.name,
            type=repr(column.type),
            model=self._model,
        )


class SharedKey(NamedTuple):
    """A column that an earlier parent decides too.

    Its value is that of ``attribute``, or of ``of_parent`` in the row that ``attribute`` is;
    ``remote`` is what it is called in this parent.
    """

    attribute: str
    of_parent: str | None
    remote: str


class Parent(BaseDeclaration):
    """The row that a foreign key leads to, made by the factory of its model.

    Skipped where the call gave the key itself; the default parent stands in where there is one.
    """

    UNROLL_CONTEXT_BEFORE_EVALUATION = False

    def __init__(self, link: ParentLink, root: Any, shared: Sequence[SharedKey]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.link, self._root = link, root
        self.shared = shared
        self._keys = tuple(local for local, _ in link.pairs)

    def evaluate(self, instance: Any, step: Any, extra: dict[str, Any]) -> Any:
        """Make it, or say what stands in for it."""
        link = self.link
        drop_idle_traits(instance, extra)
        if not extra:
            given = step.builder.extras
            if given and any(key in given for key in self._keys):
                return SKIP
            found = default_of(link.target)
            if found is not None:
                return found
            if is_parentless():
                return SKIP
            held = _ancestor(step, link.target)
            if held is not None:
                return _key_of_ancestor(link, held, step)
        for key in self.shared:
            source = getattr(instance, key.attribute, None)
            value = source if key.of_parent is None else getattr(source, key.of_parent, None)
            if value is not None and value is not SKIP:
                extra.setdefault(key.remote, value)
        return step.recurse(self.factory_beside(step.builder.factory_meta.factory), extra)

    def factory_beside(self, child: Any) -> Any:
        """Return what makes the parent; a later declaration may bring another factory."""
        return factory_for(self.link.target, self._root, child)


def drop_idle_traits(instance: Any, extra: dict[str, Any]) -> None:
    """Forget what traits would give a nested factory that are not asked for.

    factory-boy hands it a declaration that says to skip the field, also where that has a value of
    its own.
    """
    for name, each in list(extra.items()):
        if (
            isinstance(each, Maybe)
            and each.no is SKIP
            and isinstance(each.decider, SelfAttribute)
            and not getattr(instance, each.decider.attribute_name, each.decider.default)
        ):
            del extra[name]


def _ancestor(step: Any, target: type) -> Any:
    above = step
    while above is not None:
        model = above.builder.factory_meta.model
        made = getattr(above, "is_made", False)  # then this is a hook of its, not a part of it
        if not made and isinstance(model, type) and issubclass(model, target):
            return above
        above = above.parent_step
    return None


def _key_of_ancestor(link: ParentLink, held: Any, step: Any) -> Any:
    """Let the row refer to the one that is being made for its sake, by a key drawn in advance."""
    keys = {local: getattr(held.stub, remote, None) for local, remote in link.pairs}
    if any(value is None or value is SKIP for value in keys.values()):
        raise TestkitError(
            "TK407",
            factory=step.builder.factory_meta.factory.__name__,
            parent=link.target.__name__,
            key=", ".join(remote for _, remote in link.pairs),
        )
    step.drawn_keys = keys
    return SKIP


class ParentKey(_Derived):
    """The key of a parent that no relationship leads to; the columns of one key share the row."""

    def __init__(self, parent: Parent, local: str) -> None:
        super().__init__()
        self.parent = parent
        self._local = local
        self._remote = dict(parent.link.pairs)[local]

    def value(self, instance: Any, step: Any) -> Any:
        """Return the parent's key, and make the parent for the first column that asks."""
        made = step.__dict__.setdefault("key_parents", {})
        if self.parent not in made:
            made[self.parent] = self.parent.evaluate(instance, step, {})
        found = made[self.parent]
        if found is SKIP:
            return getattr(step, "drawn_keys", {}).get(self._local, SKIP)
        value = getattr(found, self._remote, None)
        if step.builder.strategy == "create":
            # No relationship tells the session which row must come first.
            step.builder.factory_meta.write_first(found)
            value = getattr(found, self._remote, None)
        return value


class ParentOrKey(SubFactory):
    """A SubFactory that somebody declared, skipped where the call gave the key itself."""

    def __init__(self, declared: SubFactory, keys: Sequence[str]) -> None:
        super().__init__("not.used")  # type: ignore[no-untyped-call]
        self.__dict__.update(vars(declared))
        self._keys = keys

    def evaluate(self, instance: Any, step: Any, extra: Any) -> Any:
        """Make the parent, or skip it."""
        drop_idle_traits(instance, extra)
        given = step.builder.extras
        if given and any(key in given for key in self._keys):
            return SKIP
        return super().evaluate(instance, step, extra)  # type: ignore[no-untyped-call]
