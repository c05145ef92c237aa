"""Factories as fixtures."""

from __future__ import annotations

import keyword
import re
import sys
from typing import TYPE_CHECKING, Any, Final

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
    if not hasattr(made, "_meta"):
        raise TestkitError("TK405", factory="register", model=f"{made!r}, no factory")
    model: str = made._meta.model.__name__  # noqa: SLF001 - factory-boy's place for options
    chosen = name if name is not None else _WORDS.sub("_", model).lower()
    module = sys._getframe(1).f_globals  # noqa: SLF001 - fixtures belong to who calls

    def row() -> Iterator[Any]:
        yield made.create()

    def itself() -> Any:
        return made

    row.__doc__ = f"A row of {model}, made by {factory.__name__}."
    itself.__doc__ = f"The factory {factory.__name__}."
    for fixture, function in ((chosen, row), (f"{chosen}_factory", itself)):
        if reason := _cannot_be(fixture, module):
            raise TestkitError(
                "TK409",
                factory=factory.__name__,
                name=fixture,
                module=module["__name__"],
                reason=reason,
            )
        function.__name__ = fixture
        module[fixture] = pytest.fixture(name=fixture)(function)


# Where a word of a class' name begins.
_WORDS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
# What testkit's own fixtures and pytest's request are called: shadowed, they would call themselves.
_TAKEN: Final = frozenset(
    (
        "async_db_session",
        "async_redis_client",
        "clock",
        "database",
        "db_session",
        "faults",
        "postgres_server",
        "redis_client",
        "redis_server",
        "request",
        "unique",
    )
)


def _cannot_be(name: str, module: dict[str, Any]) -> str | None:
    if name in module:
        return "something there is called so already"
    if name in _TAKEN:
        return "a fixture of testkit or pytest is called so"
    if not name.isidentifier() or keyword.iskeyword(name):
        return "no argument of a test can be called so"
    return None
