"""How one call makes its whole graph of objects: factory-boy's builder, told about the call."""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from factory.builder import StepBuilder
from factory.declarations import SKIP

from testkit.core.current import current
from testkit.factories.registry import default_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Builder", "is_parentless", "making", "step_now", "without_parents"]

_step: ContextVar[Any] = ContextVar("testkit_step", default=None)
_parentless: ContextVar[bool] = ContextVar("testkit_parentless", default=False)


class Builder(StepBuilder):
    """Lets the default parent stand in for a nested factory; makes no parents of a payload."""

    def build(self, parent_step: Any = None, force_sequence: int | None = None) -> Any:
        """Build one object."""
        meta = self.factory_meta
        if parent_step is not None and hasattr(type(meta), "shape"):
            if not self.extras:
                found = default_of(meta.model)
                if found is not None:
                    return found
            if _parentless.get():
                return SKIP
        if current.profile is None:
            return super().build(parent_step, force_sequence)  # type: ignore[no-untyped-call]
        with current.profile.making(meta.factory, self.strategy):
            return super().build(parent_step, force_sequence)  # type: ignore[no-untyped-call]

    def recurse(self, factory_meta: Any, extras: dict[str, Any]) -> Any:
        """Return the builder of a nested factory; a dict or list of a payload is built as one."""
        found: Any = super().recurse(factory_meta, extras)  # type: ignore[no-untyped-call]
        if _parentless.get() and not hasattr(type(factory_meta), "shape"):
            found.strategy = "build"
        return found


@contextlib.contextmanager
def making(step: Any) -> Iterator[None]:
    """Let ``step_now`` give the step whose object is being constructed and saved."""
    token = _step.set(step)
    try:
        yield
    finally:
        _step.reset(token)


def step_now() -> Any:
    """Return the step of the object that is being saved; None where no factory of ours runs."""
    return _step.get()


@contextlib.contextmanager
def without_parents() -> Iterator[None]:
    """Let the calls inside make no parents: of a payload, or of rows that share them."""
    token = _parentless.set(True)
    try:
        yield
    finally:
        _parentless.reset(token)


def is_parentless() -> bool:
    """Return whether no parent is to be made."""
    return _parentless.get()
