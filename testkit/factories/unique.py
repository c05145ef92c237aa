"""The declaration that draws a name nobody else draws."""

from __future__ import annotations

from typing import Any

from factory.declarations import BaseDeclaration

from testkit.factories.drawing import draws_now

__all__ = ["Unique"]


class Unique(BaseDeclaration):
    """Draws a name from the ``unique`` fixture.

    ``name = Unique("module")`` gives ``module-gw1-7f3a9c2e-0042`` and the like.
    """

    def __init__(self, prefix: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # factory-boy carries few types
        self._prefix = prefix

    def evaluate(self, instance: Any, step: Any, extra: Any) -> str:  # noqa: ARG002 - factory-boy's
        """Return a new name."""
        return draws_now().name(self._prefix)
