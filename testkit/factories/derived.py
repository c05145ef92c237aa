"""What stands for a declaration that nobody made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from factory.declarations import BaseDeclaration

from testkit.factories.construct import unknown_attribute

if TYPE_CHECKING:
    from testkit.core.messages import TestkitError

__all__ = ["Derived"]


class Derived(BaseDeclaration):
    """One that nobody declared: quicker than what factory-boy does around ``evaluate``."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # factory-boy's

    def evaluate_pre(self, instance: Any, step: Any, overrides: Any) -> Any:
        """Return the value. Raises TK402 for what is given as of a parent."""
        if overrides:
            raise _no_parent(step, overrides)
        return self.value(instance, step)

    def value(self, instance: Any, step: Any) -> Any:
        """Return the value for the object that is being made."""
        raise NotImplementedError


def _no_parent(step: Any, overrides: Any) -> TestkitError:
    """Return TK402 for what was given as of a parent, ``title__x``, and is of a plain value."""
    meta, extras = step.builder.factory_meta, step.builder.extras
    wrong = [name for name in extras if any(name.endswith(f"__{key}") for key in overrides)]
    return unknown_attribute(
        meta.factory.__name__, min(wrong, default="?"), meta.known, meta.model.__name__
    )
