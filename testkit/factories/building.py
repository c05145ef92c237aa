"""How one call makes its whole graph of objects: factory-boy's builder, told about the call."""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from factory.builder import BuildStep, Resolver, StepBuilder, parse_declarations

from testkit.core.current import current
from testkit.factories.chance import begin_chance
from testkit.factories.derived import Derived
from testkit.factories.registry import default_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Builder", "is_hookless", "making", "step_now", "without_hooks"]

_step: ContextVar[Any] = ContextVar("testkit_step", default=None)
_hookless: ContextVar[bool] = ContextVar("testkit_hookless", default=False)


class Builder(StepBuilder):
    """Lets the default parent stand in for a nested factory."""

    def build(self, parent_step: Any = None, force_sequence: int | None = None) -> Any:
        """Build one object."""
        meta = self.factory_meta
        if parent_step is not None and hasattr(type(meta), "shape") and not self.extras:
            found = default_of(meta.model)
            if found is not None:
                return found
        if parent_step is None:
            begin_chance()
        if current.profile is None:
            return self._built(parent_step, force_sequence)
        with current.profile.making(meta.factory, self.strategy):
            return self._built(parent_step, force_sequence)

    def _built(self, parent_step: Any, force_sequence: int | None) -> Any:
        """Do what factory-boy's builder does; nothing is copied where nothing was given."""
        meta = self.factory_meta
        before, behind = meta.pre_declarations, meta.post_declarations
        if self.extras:
            before, behind = parse_declarations(self.extras, base_pre=before, base_post=behind)
        sequence = self.force_init_sequence if force_sequence is None else force_sequence
        if sequence is None:
            sequence = meta.next_sequence()
        step = _Step(builder=self, sequence=sequence, parent_step=parent_step)  # type: ignore[no-untyped-call]  # factory-boy's
        step.resolve(before)
        args, fields = meta.prepare_arguments(step.attributes)
        made = meta.instantiate(step=step, args=args, kwargs=fields)
        results = {}
        for name in behind.sorted() if behind.declarations else ():
            hook = behind[name]
            results[name] = hook.declaration.evaluate_post(
                instance=made, step=step, overrides=hook.context
            )
        meta.use_postgeneration_results(instance=made, step=step, results=results)
        return made

    def recurse(self, factory_meta: Any, extras: dict[str, Any]) -> Any:
        """Return the builder of a nested factory; a dict or list of a payload is built as one."""
        found: Any = super().recurse(factory_meta, extras)  # type: ignore[no-untyped-call]  # factory-boy's
        if _hookless.get() and not hasattr(type(factory_meta), "shape"):
            found.strategy = "build"
        return found


class _Step(BuildStep):
    """A step that gets what nobody declared without a detour by the resolver's attributes."""

    def resolve(self, declarations: Any) -> None:
        """Evaluate all declarations, in their order."""
        self.stub = Resolver(declarations=declarations, step=self, sequence=self.sequence)
        values: dict[str, Any] = vars(self.stub)["_Resolver__values"]
        contexts = declarations.contexts
        for name, declared in declarations.declarations.items():
            if name not in values and isinstance(declared, Derived) and not contexts.get(name):
                values[name] = declared.value(self.stub, self)
            self.attributes[name] = values[name] if name in values else getattr(self.stub, name)


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
def without_hooks() -> Iterator[None]:
    """Let the calls inside run no hooks: they resolve a payload or a row, and make no object."""
    token = _hookless.set(True)
    try:
        yield
    finally:
        _hookless.reset(token)


def is_hookless() -> bool:
    """Return whether values are resolved for something that is no object."""
    return _hookless.get()
