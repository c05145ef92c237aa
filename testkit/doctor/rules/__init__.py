"""Rules that read a file: one module each, with examples that are its tests.

A module has ``RULE``, ``found`` (a pure function from a file to places), ``BAD`` and ``GOOD``: texts in
which each line that must be found ends with ``# here``, and texts in which nothing must be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Rule
from testkit.doctor.rules import (
    async_decorators,
    frozen_defaults,
    loops_in_loops,
    naive_times,
    server_wide_flush,
    unreasoned_skips,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from testkit.doctor.static.module import Module, Place

__all__ = ["CHECKS", "GROUPS", "MODULES", "UNREASONED"]

UNREASONED: Final = Rule(
    "TD200",
    "A finding is left without a reason",
    "warning",
    "`# testkit: ignore[CODE]` says that somebody looked, and not what they saw. Who comes next cannot tell whether it "
    "still holds; so it ignores nothing until it says why.",
    "Write why behind the bracket: # testkit: ignore[TD201] the column is written by a trigger.",
)
#: By group: a row for each rule.
MODULES: Final[dict[str, tuple[ModuleType, ...]]] = {
    "models": (frozen_defaults, naive_times),
    "async": (loops_in_loops, async_decorators),
    "redis": (server_wide_flush,),
    "pytest": (unreasoned_skips,),
}
CHECKS: Final[dict[Rule, Callable[[Module], Iterator[Place]]]] = {
    module.RULE: module.found for modules in MODULES.values() for module in modules
}
GROUPS: Final[dict[str, tuple[Rule, ...]]] = {
    "ignores": (UNREASONED,),
    **{name: tuple(module.RULE for module in modules) for name, modules in MODULES.items()},
}
