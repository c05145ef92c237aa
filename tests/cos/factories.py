"""Rows of the control center, committed so that the application under test sees them."""

from factory.declarations import SubFactory

from cos.models import HealthState, HealthStatus, Module
from testkit.factories import Factory, Unique


class ModuleFactory(Factory[Module]):
    """A module that never sent a heartbeat."""

    class Meta:
        model = Module

    name = Unique("module")
    version = "1.0.0"


class HealthStatusFactory(Factory[HealthStatus]):
    """What a module of its own reported; ``module__last_active`` says when it was last heard."""

    class Meta:
        model = HealthStatus

    module = SubFactory(ModuleFactory)  # type: ignore[no-untyped-call]  # no types there
    status = HealthState.HEALTHY
