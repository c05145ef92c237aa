"""Heartbeats, and the health of modules and of the system.

``now`` is the database's clock unless the caller passes a time: however many processes serve, one
clock says when a heartbeat came and how long ago that is.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Select,
    func,
    literal,
    outerjoin,
    select,
    true,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession

from cos.models import HealthState, HealthStatus, Module
from cos.services.database_clock import database_clock
from cos.services.errors import UnknownModuleError
from cos.services.rollup import Report, judge, roll_up
from cos.services.state_changes import lock, store
from cos.services.transitions import MOMENT, Heard, hear

__all__ = [
    "Heartbeat",
    "ModuleHealth",
    "SystemHealth",
    "beat",
    "not_healthy",
    "of_module",
    "of_system",
]


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

    It is kept as the module's last report and in the history; where it changes the announced state,
    the change is announced. ``updated_at`` of the module stays. The module's row is locked first:
    heartbeats of one module, its removal and the watcher follow one another, and each heartbeat is
    later than the one before.
    """
    module = (await lock(session, [module_id])).get(module_id)
    if module is None:
        raise UnknownModuleError(module_id)
    at = now or module.now
    if module.known.last_heartbeat is not None:
        # A transaction that began earlier may get the lock later.
        at = max(at, module.known.last_heartbeat + MOMENT)
    heard = Heard(at, heartbeat.status, heartbeat.details)
    await store(session, [(module, hear(module.known, [heard], silent_before=at))])


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
    return _judged(
        module_id, name, report, details, checked_at=checked_at, offline_after=offline_after
    )


async def not_healthy(
    session: AsyncSession, *, offline_after: timedelta, limit: int, now: datetime | None = None
) -> list[ModuleHealth]:
    """Return up to ``limit`` active modules that are not healthy, oldest first."""
    silent_before = select(database_clock(now) - offline_after).scalar_subquery()
    last_sign = func.coalesce(Module.last_active, Module.created_at)
    rows = await session.execute(
        _reports(now)
        .add_columns(Module.id, Module.name, HealthStatus.details)
        .where(
            Module.active,
            (func.coalesce(HealthStatus.status, HealthState.UNKNOWN) != HealthState.HEALTHY)
            | (last_sign < silent_before),
        )
        .order_by(Module.created_at, Module.id)
        .limit(limit)
    )
    return [
        _judged(
            module_id,
            name,
            Report(registered, last_heartbeat, reported),
            details,
            checked_at=checked_at,
            offline_after=offline_after,
        )
        for registered, last_heartbeat, reported, checked_at, module_id, name, details in rows
    ]


def _judged(
    module_id: UUID,
    name: str,
    report: Report,
    details: Mapping[str, Any] | None,
    *,
    checked_at: datetime,
    offline_after: timedelta,
) -> ModuleHealth:
    return ModuleHealth(
        module_id=module_id,
        name=name,
        status=judge(report, now=checked_at, offline_after=offline_after),
        reported=report.reported,
        details=details or {},
        last_heartbeat=report.last_heartbeat,
        checked_at=checked_at,
    )


async def of_system(
    session: AsyncSession, *, offline_after: timedelta, now: datetime | None = None
) -> SystemHealth:
    """Return the health of all active modules, rolled up; counted by the database in one pass."""
    rows = (await session.execute(_counted(offline_after, now))).all()
    found: Counter[HealthState] = Counter()
    for _, state, reported, modules, silent in rows:
        if state is None:
            continue
        if reported is None:
            found[state] += modules - silent
            found[HealthState.OFFLINE] += silent
        else:
            found[state] -= modules
            found[reported] += modules
    system = roll_up(found)
    return SystemHealth(system.state, system.counts, rows[0][0])


def _counted(
    offline_after: timedelta, now: datetime | None
) -> Select[datetime, HealthState | None, HealthState | None, int, int]:
    """Return the statement that judges as `cos.services.rollup.judge` does, and counts.

    One pass over the modules counts them by the announced state, and those of them that are silent.
    Of a module that was heard the announced state is what it reported, unless that was before there
    was a history, or a watcher with another limit found it offline: further rows, with what was
    reported, move these few. There is a row with the time, though there be no modules.
    """
    # In a query of its own the limit is computed once, and not for each module.
    silent_before = select(database_clock(now) - offline_after).scalar_subquery()
    last_sign = func.coalesce(Module.last_active, Module.created_at)
    announced = (
        select(
            Module.state,
            literal(None, HealthStatus.status.type).label("reported"),
            func.count().label("modules"),
            func.count().filter(last_sign < silent_before).label("silent"),
        )
        .where(Module.active)
        .group_by(Module.state)
    )
    reported = (
        select(Module.state, HealthStatus.status, func.count(), literal(0))
        .join(HealthStatus, HealthStatus.module_id == Module.id)
        .where(
            Module.active,
            Module.state.in_([HealthState.UNKNOWN, HealthState.OFFLINE]),
            HealthStatus.status != Module.state,
            last_sign >= silent_before,
        )
        .group_by(Module.state, HealthStatus.status)
    )
    counted = union_all(announced, reported).subquery()
    clock = select(database_clock(now).label("checked_at")).subquery()
    return select(clock, counted).select_from(outerjoin(clock, counted, true()))


def _reports(
    now: datetime | None,
) -> Select[datetime, datetime | None, HealthState | None, datetime]:
    return select(
        Module.created_at,
        Module.last_active,
        HealthStatus.status,
        database_clock(now),
    ).outerjoin(HealthStatus, HealthStatus.module_id == Module.id)
