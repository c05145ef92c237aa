"""Rows of the control center, committed so that the application under test sees them.

What is not declared here comes from the models: names that nobody else draws, versions, the module
of a status, and the defaults.
"""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

from factory.declarations import LazyAttribute, LazyFunction, Trait
from sqlalchemy import func

from cos.events.event import partition_of
from cos.models import ApiToken, DeadLetter, HealthState, HealthStatus, Module, OutboxEvent
from cos.services.access.credential import Credential, CredentialKind
from testkit.factories import Factory

SECRET: Final = "s" * 43


class ModuleFactory(Factory[Module]):
    """A module that never sent a heartbeat."""

    class Params:
        inactive = Trait(active=False)


class HealthStatusFactory(Factory[HealthStatus]):
    """What a module of its own reported; ``module__last_active`` says when it was last heard."""

    class Params:
        healthy = Trait(status=HealthState.HEALTHY)
        degraded = Trait(status=HealthState.DEGRADED)


class OutboxEventFactory(Factory[OutboxEvent]):
    """An event that waits to be published, of a module that need not exist."""

    partition = LazyAttribute(lambda event: partition_of(event.module_id))


class ApiTokenFactory(Factory[ApiToken]):
    """A token that may read and write; `text_of` is what its holder sends."""

    scopes = LazyFunction(lambda: ["read", "write"])
    secret_hash = LazyFunction(lambda: Credential(CredentialKind.API, uuid4(), SECRET).hash)

    class Params:
        read_only = Trait(scopes=LazyFunction(lambda: ["read"]))
        write_only = Trait(scopes=LazyFunction(lambda: ["write"]))
        expired = Trait(expires_at=func.now() - timedelta(seconds=1))
        revoked = Trait(revoked_at=func.now() - timedelta(seconds=1))


def text_of(token: ApiToken) -> str:
    """Return the text of a token that the factory made."""
    return Credential(CredentialKind.API, token.id, SECRET).text


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
