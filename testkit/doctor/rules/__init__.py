"""Rules that only read: one module each, with examples that are its tests.

A module has ``RULE``, ``found`` (a pure function from a file to places), ``BAD`` and ``GOOD``: texts in
which each line that must be found ends with ``# here``, and texts in which nothing must be. A rule
that rewrites has ``FIXED`` too: what each text of ``BAD`` becomes.

A rule that needs more than one file has ``NEEDS`` (kinds of facts) and ``found_in`` (a pure function
from a project to spots) instead of ``found``; in its examples a line ``# file: tests/test_it.py``
begins each file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Rule
from testkit.doctor.rules import (
    async_decorators,
    blamed_clients,
    blocking_calls,
    clients_at_import,
    double_imports,
    dropped_tasks,
    failed_sessions,
    frozen_defaults,
    guessed_constraints,
    idle_assertions,
    late_defaults,
    left_variables,
    loops_in_loops,
    lost_writes,
    migration_gaps,
    migration_heads,
    mocked_sessions,
    naive_times,
    patched_drivers,
    schema_beside_migrations,
    server_wide_flush,
    sleeping_tests,
    stand_in_classes,
    text_ids,
    time_limits,
    uncollected_tests,
    unique_literals,
    unloaded_fixtures,
    unmigrated_tables,
    unreached_hooks,
    unreasoned_skips,
    unseen_models,
    uuid_texts,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from testkit.doctor.static.module import Module, Place
    from testkit.doctor.static.project import Project, Spot

__all__ = ["CHECKS", "GROUPS", "MODULES", "PROJECT_CHECKS", "REWRITTEN", "UNREASONED"]

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
    "models": (frozen_defaults, naive_times, uuid_texts),
    "sessions": (unreached_hooks,),
    "errors": (guessed_constraints, blamed_clients, lost_writes, failed_sessions),
    "async": (loops_in_loops, async_decorators, blocking_calls, dropped_tasks, clients_at_import),
    "redis": (server_wide_flush,),
    "pytest": (unreasoned_skips, uncollected_tests),
    "doubles": (stand_in_classes, mocked_sessions, patched_drivers),
    "tests": (idle_assertions,),
    "time": (sleeping_tests, time_limits),
    "environment": (left_variables,),
    "data": (unique_literals, text_ids, late_defaults),
    "imports": (double_imports,),
    "schema": (
        migration_heads,
        migration_gaps,
        unmigrated_tables,
        unseen_models,
        schema_beside_migrations,
    ),
    "fixtures": (unloaded_fixtures,),
}
CHECKS: Final[dict[Rule, Callable[[Module], Iterator[Place]]]] = {
    module.RULE: module.found
    for modules in MODULES.values()
    for module in modules
    if hasattr(module, "found")
}
#: By rule which facts it needs, and what it finds in them.
PROJECT_CHECKS: Final[dict[Rule, tuple[tuple[str, ...], Callable[[Project], Iterator[Spot]]]]] = {
    module.RULE: (module.NEEDS, module.found_in)
    for modules in MODULES.values()
    for module in modules
    if hasattr(module, "found_in")
}
#: The codes of rules that rewrite what they find.
REWRITTEN: Final = frozenset(
    module.RULE.code
    for modules in MODULES.values()
    for module in modules
    if hasattr(module, "FIXED")
)
GROUPS: Final[dict[str, tuple[Rule, ...]]] = {
    "ignores": (UNREASONED,),
    **{name: tuple(module.RULE for module in modules) for name, modules in MODULES.items()},
}
