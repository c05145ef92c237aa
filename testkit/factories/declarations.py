"""What a derived factory declares for the attributes of a model."""

from __future__ import annotations

import copy
import datetime as dt
import itertools
import math
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from factory.declarations import SKIP

from testkit.core.messages import TestkitError
from testkit.factories.chance import random_for
from testkit.factories.derived import Derived
from testkit.factories.drawing import draws_now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from testkit.factories.fields.bounds import Bounds
    from testkit.factories.fields.field import Draws
    from testkit.factories.shape import Attribute

__all__ = [
    "Combination",
    "Combined",
    "Default",
    "Drawn",
    "Later",
    "Plain",
    "Underivable",
]


class Default(Derived):
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


class Plain(Derived):
    """A value of the column's type that others may have too."""

    def __init__(self, model: str, make: Callable[[Any], object]) -> None:
        super().__init__()
        self.model, self.make = model, make

    def value(self, instance: Any, step: Any) -> Any:  # noqa: ARG002 - factory-boy's
        """Return one by the test's chance."""
        return self.make(random_for(self.model))


class Drawn(Derived):
    """A value that nobody else draws."""

    def __init__(self, make: Callable[[Draws], object], *, by_number: bool) -> None:
        super().__init__()
        self._make, self._by_number = make, by_number

    def draw(self) -> Any:
        """Draw one; what is made of a number is logged as it reads."""
        draws = draws_now()
        return draws.written(self._make) if self._by_number else self._make(draws)

    def value(self, instance: Any, step: Any) -> Any:  # noqa: ARG002 - factory-boy's
        """Draw one."""
        return self.draw()


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
        if self._alone:  # no column alone shows the number, hence the log does not have it
            return draws_now().number(space, size, logged=False)
        return next(self._counts[space])


class Combined(Derived):
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


class Later(Derived):
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


class Underivable(Derived):
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
