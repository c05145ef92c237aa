"""Heartbeats, and the health of modules and of the system.

``now`` is the database's clock unless the caller passes a time: however many processes serve, one
clock says when a heartbeat came and how long ago that is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, DateTime, Select, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from cos.models import HealthState, HealthStatus, Module
from cos.services.errors import UnknownModuleError
from cos.services.rollup import Report, SystemState, judge, roll_up

__all__ = ["Heartbeat", "ModuleHealth", "SystemHealth", "beat", "of_module", "of_system"]


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What a module says about itself."""

    status: HealthState = HealthState.HEALTHY
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModuleHealth:
    """How a module is at ``checked_at``; ``reported`` and ``details`` are its own last words."""

    module_id: UUID
    name: str
    status: HealthState
    reported: HealthState | None
    details: Mapping[str, Any]
    last_heartbeat: datetime | None
    checked_at: datetime


@dataclass(frozen=True, slots=True)
class SystemHealth:
    """How the active modules are, together and counted by state, at ``checked_at``."""

    status: HealthState
    modules: Mapping[HealthState, int]
    checked_at: datetime


async def beat(
    session: AsyncSession,
    module_id: UUID,
    heartbeat: Heartbeat,
    *,
    now: datetime | None = None,
) -> None:
    """Store a heartbeat; raise `UnknownModuleError` if there is no such module.

    ``updated_at`` of the module stays. The module's row is locked first, so that heartbeats of one
    module and its removal follow one another.
    """
    moment = _clock(now)
    touched = await session.scalar(
        update(Module)
        .where(Module.id == module_id)
        .values(last_active=moment, updated_at=Module.updated_at)
        .returning(Module.id)
        .execution_options(synchronize_session=False)
    )
    if touched is None:
        raise UnknownModuleError(module_id)
    report = {
        "status": heartbeat.status,
        "details": heartbeat.details,
        "last_updated": moment,
    }
    await session.execute(
        insert(HealthStatus)
        .values(id=uuid4(), module_id=module_id, **report)
        .on_conflict_do_update(index_elements=[HealthStatus.module_id], set_=report)
    )


async def of_module(
    session: AsyncSession,
    module_id: UUID,
    *,
    offline_after: timedelta,
    now: datetime | None = None,
) -> ModuleHealth:
    """Return the health of one module; raise `UnknownModuleError` if there is none."""
    statement = _reports(now).add_columns(Module.name, HealthStatus.details)
    row = (await session.execute(statement.where(Module.id == module_id))).one_or_none()
    if row is None:
        raise UnknownModuleError(module_id)
    registered, last_heartbeat, reported, checked_at, name, details = row
    report = Report(registered, last_heartbeat, reported)
    return ModuleHealth(
        module_id=module_id,
        name=name,
        status=judge(report, now=checked_at, offline_after=offline_after),
        reported=reported,
        details=details or {},
        last_heartbeat=last_heartbeat,
        checked_at=checked_at,
    )


async def of_system(
    session: AsyncSession, *, offline_after: timedelta, now: datetime | None = None
) -> SystemHealth:
    """Return the health of all active modules, rolled up."""
    checked_at = await _checked_at(session, now)
    rows = await session.execute(_reports(checked_at).where(Module.active))
    system: SystemState = roll_up(
        judge(
            Report(registered, last_heartbeat, reported),
            now=checked_at,
            offline_after=offline_after,
        )
        for registered, last_heartbeat, reported, _ in rows
    )
    return SystemHealth(system.state, system.counts, checked_at)


def _clock(now: datetime | None) -> ColumnElement[datetime]:
    return func.now() if now is None else literal(now, DateTime(timezone=True))


async def _checked_at(session: AsyncSession, now: datetime | None) -> datetime:
    return (await session.scalars(select(_clock(now)))).one()


def _reports(
    now: datetime | None,
) -> Select[datetime, datetime | None, HealthState | None, datetime]:
    return select(
        Module.created_at,
        Module.last_active,
        HealthStatus.status,
        _clock(now),
    ).outerjoin(HealthStatus, HealthStatus.module_id == Module.id)
