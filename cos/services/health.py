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
    ColumnElement,
    Select,
    func,
    outerjoin,
    select,
    true,
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
    checked_at, modules, healthy, degraded, *_ = rows[0]
    found = Counter({HealthState.HEALTHY: healthy, HealthState.DEGRADED: degraded})
    for *_, state, others in rows:
        if state is not None:
            found[state] += others or 0
    # Whoever was heard in time is counted by now.
    found[HealthState.OFFLINE] += modules - found.total()
    system = roll_up(found)
    return SystemHealth(system.state, system.counts, checked_at)


def _counted(
    offline_after: timedelta, now: datetime | None
) -> Select[datetime, int, int, int, HealthState | None, int | None]:
    """Return the statement that judges as `cos.services.rollup.judge` does, and counts.

    One pass over the modules counts all of them, and those that are announced to be healthy or
    degraded and were heard in time: their report says the same. The few others that were heard in
    time are found by their state, and counted by their report: they said so, they never sent a
    heartbeat, they were heard before there was a history, or a watcher with another limit found
    them offline. There is a row of each such state, and one without a state where there is none.
    """
    # In a query of its own the limit is computed once, and not for each module.
    silent_before = select(database_clock(now) - offline_after).scalar_subquery()
    in_time = func.coalesce(Module.last_active, Module.created_at) >= silent_before

    def heard(state: HealthState) -> ColumnElement[int]:
        return func.count().filter((Module.state == state) & in_time)

    announced = (
        select(
            database_clock(now).label("checked_at"),
            func.count().label("modules"),
            heard(HealthState.HEALTHY).label("healthy"),
            heard(HealthState.DEGRADED).label("degraded"),
        )
        .select_from(Module)
        .where(Module.active)
        .subquery()
    )
    reported = func.coalesce(HealthStatus.status, HealthState.UNKNOWN)
    others = (
        select(reported.label("state"), func.count().label("others"))
        .select_from(Module)
        .outerjoin(HealthStatus, HealthStatus.module_id == Module.id)
        .where(
            Module.active,
            Module.state.in_([HealthState.UNKNOWN, HealthState.OFFLINE]),
            in_time,
        )
        .group_by(reported)
        .subquery()
    )
    return select(announced, others).select_from(outerjoin(announced, others, true()))


def _reports(
    now: datetime | None,
) -> Select[datetime, datetime | None, HealthState | None, datetime]:
    return select(
        Module.created_at,
        Module.last_active,
        HealthStatus.status,
        database_clock(now),
    ).outerjoin(HealthStatus, HealthStatus.module_id == Module.id)
