"""The states of health, why a state was recorded, and how both are stored."""

from enum import StrEnum
from typing import TypeVar

from sqlalchemy import Enum

__all__ = ["HealthReason", "HealthState", "as_text"]

Text = TypeVar("Text", bound=StrEnum)


class HealthState(StrEnum):
    """How a module, or the system, is."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    OFFLINE = "offline"
    UNKNOWN = "unknown"


class HealthReason(StrEnum):
    """Why a state was recorded: the module said so, or it said nothing for too long."""

    HEARTBEAT = "heartbeat"
    SILENCE = "silence"


def as_text(values: type[Text], name: str) -> Enum:
    """Return the type of a column: text with a CHECK of that name.

    A further value is an ordinary migration, and dropping the table leaves no type behind.
    """
    return Enum(
        values,
        name=name,
        native_enum=False,
        create_constraint=True,
        validate_strings=True,
        length=16,
        values_callable=lambda found: [value.value for value in found],
    )
