"""The bodies of requests and answers about events and dead letters."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from cos.api.json_body import storable_text

__all__ = [
    "MAX_BIGINT",
    "DeadLetterOut",
    "DeadLetterPageOut",
    "DeadLetterQuery",
    "EventOut",
    "EventPageOut",
    "EventQuery",
    "RowId",
]

MAX_BIGINT: Final = 2**63 - 1
DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _written_out(value: object) -> object:
    # pydantic takes numbers for seconds since 1970, large ones for milliseconds.
    if isinstance(value, str) and not DATE.match(value):
        raise ValueError("must be written as in 2030-01-31T12:00:00Z")
    return value


def _storable_moment(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("must lie within the years 1 to 9999 in UTC") from None


RowId = Annotated[int, Field(ge=1, le=MAX_BIGINT)]
Moment = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_storable_moment)]
Name = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(storable_text)]


class _Query(BaseModel):
    # A parameter that nobody knows is a typing error, not something to ignore.
    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(50, ge=1, le=200)
    cursor: RowId | None = None
    module_id: UUID | None = None


class _Out(BaseModel):
    model_config = ConfigDict(from_attributes=True, frozen=True)


class EventQuery(_Query):
    """Which events to list; ``cursor`` is a position, from which on it goes in either order."""

    order: Literal["newest", "oldest"] = "newest"
    type: Name | None = None
    since: Moment | None = None


class EventOut(_Out):
    """An event; ``published_at`` is null until the relay has published it."""

    position: int
    id: UUID
    type: str
    version: int
    module_id: UUID
    sequence: int
    occurred_at: datetime
    correlation_id: str
    payload: dict[str, Any]
    published_at: datetime | None


class EventPageOut(_Out):
    """Events in the order asked for; ``next_cursor`` is null on the last page."""

    items: list[EventOut]
    next_cursor: int | None


class DeadLetterQuery(_Query):
    """Which dead letters to list."""

    group: Name | None = None


class DeadLetterOut(_Out):
    """An event that a group gave up on; without an ``event_id``, ``entry`` was none."""

    id: int
    group: str = Field(validation_alias="group_name")
    event_id: UUID | None
    module_id: UUID | None
    sequence: int | None
    type: str | None
    occurred_at: datetime | None
    fields: dict[str, str]
    entry: str | None
    reason: str
    attempts: int
    replays: int
    first_failed_at: datetime
    last_failed_at: datetime
    replay_requested_at: datetime | None


class DeadLetterPageOut(_Out):
    """Dead letters, newest first; ``next_cursor`` is null on the last page."""

    items: list[DeadLetterOut]
    next_cursor: int | None
