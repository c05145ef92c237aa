"""The bodies of requests and answers."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from unicodedata import category
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
)

from cos.api.json_body import JsonObject, storable_text
from cos.models import HealthReason, HealthState

__all__ = [
    "ConfigOut",
    "HealthOut",
    "HealthRecordOut",
    "HeartbeatIn",
    "HistoryOut",
    "HistoryQuery",
    "ModuleIn",
    "ModuleOut",
    "ModulePatch",
    "PageOut",
    "PageQuery",
    "SystemHealthOut",
]

UNSEEN: Final = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})


def _not_blank(text: str) -> str:
    # White space, and what has no shape: U+200B would be a name that nobody sees.
    if all(category(character) in UNSEEN for character in text):
        raise ValueError("must not be blank")
    return text


ModuleName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=255),
    AfterValidator(storable_text),
    AfterValidator(_not_blank),
]
ModuleVersion = Annotated[
    str,
    StringConstraints(min_length=1, max_length=50),
    AfterValidator(storable_text),
    AfterValidator(_not_blank),
]


def _without_default(schema: dict[str, Any]) -> None:
    del schema["default"]


class _In(BaseModel):
    # A field that nobody knows is a typing error, not something to ignore.
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Out(BaseModel):
    model_config = ConfigDict(from_attributes=True, frozen=True)


class ModuleIn(_In):
    """A module to register."""

    name: ModuleName
    version: ModuleVersion
    active: StrictBool = True
    config: JsonObject = Field(default_factory=dict)


class ModulePatch(_In):
    """New values of a module. A field that is left out stays; null is no value for any of them.

    Read it with ``exclude_unset``: the defaults stand there only to make the fields optional.
    """

    name: ModuleName = Field("", json_schema_extra=_without_default)
    version: ModuleVersion = Field("", json_schema_extra=_without_default)
    active: StrictBool = Field(True, json_schema_extra=_without_default)
    config: JsonObject = Field(default_factory=dict)


class ModuleOut(_Out):
    """A module as it is stored; ``state`` is the state of its health that was announced last."""

    id: UUID
    name: str
    version: str
    active: bool
    config: dict[str, Any]
    state: HealthState
    last_active: datetime | None
    created_at: datetime
    updated_at: datetime


class PageQuery(_In):
    """Which modules to list, and how many at once."""

    limit: int = Field(50, ge=1, le=200)
    cursor: str | None = Field(None, max_length=200)
    active: bool | None = None
    state: HealthState | None = None
    search: Annotated[str, AfterValidator(storable_text)] = Field("", max_length=255)


class PageOut(_Out):
    """Modules in the order of their registration; ``next_cursor`` is null on the last page."""

    items: list[ModuleOut]
    next_cursor: str | None


class HeartbeatIn(_In):
    """What a module says about itself."""

    status: HealthState = HealthState.HEALTHY
    details: JsonObject = Field(default_factory=dict)


class HealthOut(_Out):
    """How a module is now; ``reported`` and ``details`` are its own last words."""

    module_id: UUID
    name: str
    status: HealthState
    reported: HealthState | None
    details: dict[str, Any]
    last_heartbeat: datetime | None
    checked_at: datetime


class HealthRecordOut(_Out):
    """A heartbeat, or the moment at which the module was found silent for too long."""

    at: datetime
    status: HealthState
    previous: HealthState
    reason: HealthReason
    details: dict[str, Any]


class HistoryQuery(_In):
    """How much of the history to list at once."""

    limit: int = Field(50, ge=1, le=200)
    cursor: str | None = Field(None, max_length=200)


class HistoryOut(_Out):
    """The history of a module, newest first; ``next_cursor`` is null on the last page."""

    items: list[HealthRecordOut]
    next_cursor: str | None


class SystemHealthOut(_Out):
    """How the active modules are, together and counted by state."""

    status: HealthState
    modules: dict[HealthState, int]
    checked_at: datetime


class ConfigOut(_Out):
    """The settings that are no secret. Durations are seconds."""

    database: str
    database_pool_size: int
    database_pool_timeout: float
    connect_timeout: int
    statement_timeout: float
    lock_timeout: float
    idle_in_transaction_timeout: float
    redis: str
    redis_pool_size: int
    redis_timeout: float
    authorization: Literal["bearer token", "none"]
    allowed_hosts: list[str]
    allowed_origins: list[str]
    trusted_proxies: list[str]
    body_timeout: float
    offline_after: float
    watch_interval: float
    health_retention: float
    ready_timeout: float
    event_batch: int
    event_poll_interval: float
    event_check_interval: float
    event_stream_length: int
    event_retention: float
    shutdown_delay: float
    log_level: str
    log_format: str
