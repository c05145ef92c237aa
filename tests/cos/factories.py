"""Rows of the control center, committed so that the application under test sees them.

What is not declared here comes from the models: names that nobody else draws, versions, the module
of a status, and the defaults.
"""

from datetime import UTC, datetime
from uuid import uuid4

from factory.declarations import LazyFunction, Trait

from cos.models import DeadLetter, HealthState, HealthStatus, Module
from testkit.factories import Factory


class ModuleFactory(Factory[Module]):
    """A module that never sent a heartbeat."""

    class Params:
        inactive = Trait(active=False)


class HealthStatusFactory(Factory[HealthStatus]):
    """What a module of its own reported; ``module__last_active`` says when it was last heard."""

    class Params:
        healthy = Trait(status=HealthState.HEALTHY)
        degraded = Trait(status=HealthState.DEGRADED)


class DeadLetterFactory(Factory[DeadLetter]):
    """An event that a group of its own gave up on after five attempts."""

    event_id = LazyFunction(uuid4)
    module_id = LazyFunction(uuid4)
    sequence = 1
    type = "health.changed"
    occurred_at = LazyFunction(lambda: datetime.now(UTC))
    attempts = 5
    reason = "ValueError: not today"
    fields = LazyFunction(lambda: {"type": "health.changed"})
