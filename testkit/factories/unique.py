"""The declaration that draws a name nobody else draws."""

from __future__ import annotations

import re
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
        """Return a new name, within the length of the column that it is declared for."""
        draws = draws_now()
        name = draws.name(self._prefix)
        length, space = self._column(step.builder.factory_meta) if step is not None else (None, "")
        if length is None or len(name) <= length:
            return name
        return draws.text(
            re.sub("[^a-z0-9]+", "-", self._prefix.lower()), length=length, space=space
        )

    def _column(self, meta: Any) -> tuple[int | None, str]:
        shape: Any = getattr(meta, "shape", None)
        if shape is None:
            return None, ""  # of a factory of factory-boy
        for name, declared in meta.base_declarations.items():
            attribute = shape.attributes.get(name)
            if declared is self and attribute is not None:
                return getattr(attribute.column.type, "length", None), attribute.space
        return None, ""
