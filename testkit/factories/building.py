"""How one call makes its whole graph of objects: factory-boy's builder, told about the call."""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal

from factory.builder import StepBuilder
from factory.declarations import SKIP

from testkit.core.current import current
from testkit.factories.registry import default_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Builder", "building", "is_payload", "making", "step_now", "writes_now"]

#: When the rows of a call are written: each call its own, several calls together, or never here.
Writing = Literal["each", "together"]

_step: ContextVar[Any] = ContextVar("testkit_step", default=None)
_writing: ContextVar[Writing] = ContextVar("testkit_writing", default="each")
_payload: ContextVar[bool] = ContextVar("testkit_payload", default=False)


class Builder(StepBuilder):
    """Lets the default parent stand in for a nested factory; makes no parents of a payload."""

    def build(self, parent_step: Any = None, force_sequence: int | None = None) -> Any:
        """Build one object."""
        meta = self.factory_meta
        if parent_step is not None and hasattr(meta, "shape"):
            if not self.extras:
                found = default_of(meta.model)
                if found is not None:
                    return found
            if _payload.get():
                return SKIP
        if current.profile is None:
            return super().build(parent_step, force_sequence)  # type: ignore[no-untyped-call]
        with current.profile.making(meta.factory, self.strategy):
            return super().build(parent_step, force_sequence)  # type: ignore[no-untyped-call]


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
def building(*, writing: Writing = "each", payload: bool = False) -> Iterator[None]:
    """Set when rows are written, or that a payload is wanted, for the calls inside."""
    tokens = _writing.set(writing), _payload.set(payload)
    try:
        yield
    finally:
        _writing.reset(tokens[0])
        _payload.reset(tokens[1])


def writes_now() -> bool:
    """Return whether a call writes its rows when its object is made."""
    return _writing.get() == "each"


def is_payload() -> bool:
    """Return whether a payload is wanted, for which no parent is made."""
    return _payload.get()
