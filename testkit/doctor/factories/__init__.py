"""The group ``factories``: every factory, plain and with each trait, is built and flushed.

The rules are pure functions of what happened; this module loads nothing else, so that a rule can
be explained without the project.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.doctor.factories import (
    colliding,
    hooks,
    idle_traits,
    round_trip,
    text_ids,
    unbuilt,
    uncreated,
    unimported,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from testkit.doctor.factories.trial import Trial
    from testkit.doctor.finding import Rule

__all__ = ["RULES", "TABLE"]

#: Each rule, and how it reads a trial: it gives the reasons that it finds there.
TABLE: Final[dict[Rule, Callable[[Trial], Iterator[str]]]] = {
    module.RULE: module.reasons
    for module in (
        unimported,
        unbuilt,
        uncreated,
        colliding,
        text_ids,
        round_trip,
        idle_traits,
        hooks,
    )
}
RULES: Final = tuple(TABLE)
