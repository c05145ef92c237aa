"""The table of named causes: the first rule that knows a failure names its cause.

``FIRST`` reads what was said, the innermost exception before those around it; ``THEN`` reads the
evidence of what only showed an effect, and is asked when nothing in ``FIRST`` knew the failure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.triage.rules import (
    answers,
    assertions,
    code,
    doubles,
    fixtures,
    mappers,
    redis,
    rows,
    running,
    schema,
    services,
    sessions,
    values,
)

if TYPE_CHECKING:
    from testkit.triage.rule import Rule

__all__ = ["ALL", "BY_ID", "FIRST", "THEN"]

FIRST: Final[tuple[Rule, ...]] = (
    *running.RULES,
    *fixtures.RULES,
    *mappers.RULES,
    *doubles.RULES,
    *rows.RULES,
    *schema.RULES,
    *sessions.RULES,
    *redis.RULES,
    *services.RULES,
    *values.RULES,
    *code.RULES,
)
THEN: Final[tuple[Rule, ...]] = (
    *assertions.RULES,
    values.BYTES,
    *answers.RULES,
    *fixtures.LAST,
)
ALL: Final = (*FIRST, *THEN)
BY_ID: Final[dict[str, Rule]] = {rule.id: rule for rule in ALL}
