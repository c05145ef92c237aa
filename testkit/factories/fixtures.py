"""Factories as fixtures."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import pytest

from testkit.core.messages import TestkitError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["register"]


def register(factory: type, *, name: str | None = None) -> None:
    """Define two fixtures in the calling module: a created row, and the factory itself.

    ``register(ModuleFactory)`` defines ``module`` and ``module_factory``; ``name`` is another one
    for the first, and ``name`` with ``_factory`` for the second. In a conftest file every test
    below has them. Raises TK409 where the module has something of that name.
    """
    made: Any = factory
    model: str = made._meta.model.__name__  # noqa: SLF001 - factory-boy's place for options
    chosen = name or re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", model).lower()
    module = sys._getframe(1).f_globals  # noqa: SLF001 - fixtures belong to who calls

    def row() -> Iterator[Any]:
        yield made.create()

    def itself() -> Any:
        return made

    row.__doc__ = f"A row of {model}, made by {factory.__name__}."
    itself.__doc__ = f"The factory {factory.__name__}."
    for fixture, function in ((chosen, row), (f"{chosen}_factory", itself)):
        if fixture in module:
            raise TestkitError(
                "TK409", factory=factory.__name__, name=fixture, module=module["__name__"]
            )
        function.__name__ = fixture
        module[fixture] = pytest.fixture(name=fixture)(function)
