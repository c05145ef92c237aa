"""What factories make and how long they take, added up for one process of a run."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, cast

from testkit.core.current import current

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["HOWS", "How", "Profile", "WorkForTest", "merged", "profiled"]

#: By which call an object was made: the outermost one counts, also for those made for others.
How = Literal["build", "create", "batch", "bulk"]
HOWS: Final[tuple[How, ...]] = ("build", "create", "batch", "bulk")

_Method = TypeVar("_Method", bound="Callable[..., Any]")


@dataclass(slots=True)
class _Call:
    """A call of a factory that has not returned; ``made`` is how many it makes itself."""

    factory: Any
    how: How
    made: int
    outer: _Call | None
    owner: object
    began: float
    inner: float = 0.0  # seconds of the calls within it
    apart: float = 0.0  # seconds that are nobody's of these
    below: Counter[str] = field(default_factory=Counter)

    def is_cascade(self) -> bool:
        """Return whether it makes something for an object that is being made."""
        outer = self.outer
        while outer is not None and not outer.made:
            outer = outer.outer
        return outer is not None

    def is_within_its_own(self) -> bool:
        """Return whether a call of the same factory is around this one."""
        outer = self.outer
        while outer is not None and outer.factory is not self.factory:
            outer = outer.outer
        return outer is not None


_open: ContextVar[_Call | None] = ContextVar("testkit_profile", default=None)


@dataclass(slots=True)
class WorkForTest:
    """What factories did for one test and its own fixtures; ``failed``: one of them raised.

    ``fixtures`` are those whose sessions they wrote through; ``others``: also through a session of
    their own.
    """

    owner: object
    rows: int = 0
    seconds: float = 0.0
    failed: bool = False
    fixtures: set[str] = field(default_factory=set)
    others: bool = False

    def add_session(self, options: Any) -> None:
        """Note where a factory with these options writes."""
        own = ("sqlalchemy_session", "sqlalchemy_session_factory")
        named = ("session_fixture", "async_session_fixture")
        self.others = self.others or any(getattr(options, name, None) is not None for name in own)
        self.fixtures.update(getattr(options, name) for name in named if hasattr(options, name))


class Profile:
    """Counts objects and times calls by factory; safe from any thread, task and greenlet.

    Time is that of the clock on the wall, so calls that go on at the same time count each in full.
    ``facts`` are plain data: numbers and lists below names, which ``merged`` adds up.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._factories: dict[str, dict[str, Any]] = {}
        self._cascades: dict[str, dict[str, Any]] = {}
        self._seconds = 0.0
        self._test = WorkForTest(object())

    def begin_test(self) -> WorkForTest:
        """Begin to add up what belongs to the running test; answer where that can be read."""
        self._test = WorkForTest(current.owner)
        return self._test

    def making(self, factory: Any, strategy: str) -> contextlib.AbstractContextManager[object]:
        """Count one object that the block makes; a stub is none."""
        if strategy == "stub":
            return contextlib.nullcontext()
        return self.call(factory, "build" if strategy == "build" else "create", made=1)

    @contextlib.contextmanager
    def call(self, factory: Any, how: How, *, made: int = 0) -> Iterator[None]:
        """Time a call of a factory that makes so many objects itself, unless it raises."""
        outer = _open.get()
        call = _Call(
            factory,
            outer.how if outer is not None else how,
            made,
            outer,
            current.owner,
            self._clock(),
        )
        token = _open.set(call)
        returned = False
        try:
            yield
            returned = True
        finally:
            _open.reset(token)
            seconds = self._clock() - call.began - call.apart
            with self._lock:
                self._add(call, seconds, returned=returned)

    @contextlib.contextmanager
    def apart(self) -> Iterator[None]:
        """Leave out what the block does: a fixture that is set up because a factory needs it."""
        call = _open.get()
        if call is None:
            yield
            return
        began = self._clock()
        token = _open.set(None)
        try:
            yield
        finally:
            _open.reset(token)
            call.apart += self._clock() - began

    def at_work_for(self) -> Literal["nobody", "test", "others"]:
        """Return for whom a factory is at work in this thread or task."""
        call = _open.get()
        if call is None:
            return "nobody"
        return "test" if call.owner is self._test.owner else "others"

    def facts(self) -> dict[str, Any]:
        """Return everything as plain data; empty where no factory was called."""
        with self._lock:
            if not self._factories:
                return {}
            return merged(
                {},
                {
                    "factories": self._factories,
                    "cascades": self._cascades,
                    "seconds": self._seconds,
                },
            )

    def _add(self, call: _Call, seconds: float, *, returned: bool) -> None:
        made = call.made if returned else 0
        name = f"{call.factory.__module__}:{call.factory.__qualname__}"
        nested = call.is_cascade()
        row = self._factories.setdefault(name, _empty_row())
        row["own"] += seconds - call.inner
        row["seconds"] += 0.0 if call.is_within_its_own() else seconds
        row[call.how] += made
        row["cascade" if nested else "top"] += made
        if made and not nested and call.how != "build":
            cascade = {"top": made, "seconds": call.inner, "below": dict(call.below)}
            self._cascades[name] = merged(self._cascades.get(name, {}), cascade)
        self._add_to_test(call, made, seconds, returned=returned)
        if call.outer is None:
            self._seconds += seconds
            return
        call.outer.inner += seconds
        call.outer.apart += call.apart
        call.outer.below.update(call.below)
        if made:
            call.outer.below[name] += made

    def _add_to_test(self, call: _Call, made: int, seconds: float, *, returned: bool) -> None:
        test = self._test
        if call.owner is not test.owner:
            return
        if made and call.how != "build":
            test.rows += made
            test.add_session(getattr(call.factory, "_meta", None))
        test.seconds += seconds if call.outer is None else 0.0
        test.failed = test.failed or not returned


def _empty_row() -> dict[str, Any]:
    return {"own": 0.0, "seconds": 0.0, "top": 0, "cascade": 0} | dict.fromkeys(HOWS, 0)


def merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Add up the facts of two processes; the order in which several are merged does not matter."""
    return {name: _sum(one.get(name), other.get(name)) for name in sorted({*one, *other})}


def _sum(one: Any, other: Any) -> Any:
    if one is None or other is None:
        found = one if other is None else other
        return merged(found, {}) if isinstance(found, dict) else found
    if isinstance(one, dict):
        return merged(one, other)
    return sorted(one + other) if isinstance(one, list) else one + other


def profiled(how: How) -> Callable[[_Method], _Method]:
    """Tell the profile of a method of factories that makes several rows, or perhaps none."""

    def decorate(method: _Method) -> _Method:
        @wraps(method)
        def told(cls: Any, /, *args: Any, **kwargs: Any) -> Any:
            if current.profile is None:
                return method(cls, *args, **kwargs)
            # The objects of the others are counted one by one.
            size = (*args, kwargs.get("size", 0))[0] if how == "bulk" else 0
            with current.profile.call(cls, how, made=max(size, 0)):
                return method(cls, *args, **kwargs)

        return cast("_Method", told)

    return decorate
