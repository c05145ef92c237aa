"""Storing what `cos.services.transitions` decided: two statements for any number of modules.

The rows of the modules are locked first and in the order of their ids, so that those who store for
several modules at once cannot wait for each other in a circle.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from cos.events.event import EventType
from cos.events.outbox import announce
from cos.models import HealthState, Module
from cos.services.transitions import Known, Steps

__all__ = ["LockedModule", "lock", "lock_free", "store"]

COLUMNS: Final = select(
    Module.id,
    Module.state,
    Module.last_active,
    Module.created_at,
    Module.event_sequence,
    func.now(),
)

# One round trip. What the history has already stays; ``at`` is NULL for who was not heard anew.
STORE: Final = text(
    """
    WITH step AS (
        SELECT * FROM unnest(
            CAST(:modules AS uuid[]), CAST(:states AS text[]), CAST(:changes AS bigint[]),
            CAST(:heard_at AS timestamptz[]), CAST(:reports AS text[]), CAST(:words AS text[])
        ) AS step (module_id, state, changes, at, report, words)
    ), moved AS (
        UPDATE modules SET
            state = step.state,
            last_active = coalesce(step.at, modules.last_active),
            event_sequence = modules.event_sequence + step.changes
        FROM step WHERE modules.id = step.module_id
    ), recorded AS (
        INSERT INTO health_records (module_id, at, status, previous, reason, details)
        SELECT module_id, at, status, previous, reason, CAST(details AS jsonb) FROM unnest(
            CAST(:entry_modules AS uuid[]), CAST(:ats AS timestamptz[]),
            CAST(:statuses AS text[]), CAST(:previous AS text[]), CAST(:reasons AS text[]),
            CAST(:details AS text[])
        ) WITH ORDINALITY AS entry (module_id, at, status, previous, reason, details, place)
        ORDER BY place
        ON CONFLICT (module_id, at) DO NOTHING
    )
    INSERT INTO health_statuses (id, module_id, status, details, last_updated)
    SELECT gen_random_uuid(), module_id, report, CAST(words AS jsonb), at
    FROM step WHERE at IS NOT NULL
    ON CONFLICT (module_id) DO UPDATE SET
        status = excluded.status, details = excluded.details, last_updated = excluded.last_updated
    """
)


@dataclass(frozen=True, slots=True)
class LockedModule:
    """A module whose row this transaction holds; ``now`` is the time of the transaction."""

    id: UUID
    known: Known
    registered: datetime
    events: int
    now: datetime


async def lock(session: AsyncSession, module_ids: Iterable[UUID]) -> dict[UUID, LockedModule]:
    """Lock the modules with these ids, one after the other, and return those there are."""
    statement = COLUMNS.where(Module.id.in_(module_ids)).order_by(Module.id)
    return {module.id: module for module in await _locked(session, statement)}


async def lock_free(
    session: AsyncSession, condition: ColumnElement[bool], *, limit: int
) -> list[LockedModule]:
    """Lock up to ``limit`` modules that meet the condition and that nobody else holds.

    The condition holds for the rows as they are once they are locked.
    """
    return await _locked(session, COLUMNS.where(condition).limit(limit), skip=True)


async def _locked(
    session: AsyncSession,
    statement: Select[UUID, HealthState, datetime | None, datetime, int, datetime],
    *,
    skip: bool = False,
) -> list[LockedModule]:
    rows = await session.execute(statement.with_for_update(key_share=True, skip_locked=skip))
    return [
        LockedModule(module_id, Known(state, last_active), registered, events, now)
        for module_id, state, last_active, registered, events, now in rows
    ]


async def store(session: AsyncSession, steps: Sequence[tuple[LockedModule, Steps]]) -> None:
    """Store what became of modules that this transaction locked, and announce what changed."""
    entries = [(module, entry) for module, taken in steps for entry in taken.entries]
    if not entries:
        return
    await session.execute(
        STORE,
        {
            "modules": [module.id for module, _ in steps],
            "states": [taken.known.state.value for _, taken in steps],
            "changes": [sum(entry.announced for entry in taken.entries) for _, taken in steps],
            "heard_at": [taken.heard and taken.heard.at for _, taken in steps],
            "reports": [taken.heard and taken.heard.status.value for _, taken in steps],
            "words": [taken.heard and json.dumps(taken.heard.details) for _, taken in steps],
            "entry_modules": [module.id for module, _ in entries],
            "ats": [entry.at for _, entry in entries],
            "statuses": [entry.status.value for _, entry in entries],
            "previous": [entry.previous.value for _, entry in entries],
            "reasons": [entry.reason.value for _, entry in entries],
            "details": [json.dumps(entry.details) for _, entry in entries],
        },
    )
    for module, taken in steps:
        changes = (entry for entry in taken.entries if entry.announced)
        for number, entry in enumerate(changes, module.events + 1):
            announce(
                session,
                EventType.HEALTH_CHANGED,
                module_id=module.id,
                sequence=number,
                payload={
                    "status": entry.status.value,
                    "previous": entry.previous.value,
                    "reason": entry.reason.value,
                    "details": entry.details,
                },
            )
