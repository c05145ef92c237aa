"""Rows of the control center, committed so that the application under test sees them.

What is not declared here comes from the models: names that nobody else draws, versions, the module
of a status, and the defaults.
"""

from factory.declarations import Trait

from cos.models import HealthState, HealthStatus, Module
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
