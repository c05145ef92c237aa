"""``/cc/modules``."""

from http import HTTPStatus
from typing import Annotated, cast
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from cos.api import ROOT
from cos.api.json_body import JsonBodyRoute
from cos.api.resources import Autocommit, CurrentTime, HeartbeatCounts, OfflineAfter, Transactions
from cos.api.schemas import (
    HealthOut,
    HealthRecordOut,
    HeartbeatIn,
    HistoryOut,
    HistoryQuery,
    ModuleIn,
    ModuleOut,
    ModulePatch,
    PageOut,
    PageQuery,
)
from cos.services import cursor, health, health_history, modules
from cos.services.cursor import Position
from cos.services.errors import InvalidCursorError
from cos.services.health import Heartbeat
from cos.services.modules import ModuleChanges, NewModule

__all__ = ["router"]

router = APIRouter(prefix=f"{ROOT}/modules", tags=["modules"], route_class=JsonBodyRoute)


@router.post("", status_code=HTTPStatus.CREATED)
async def register_module(
    body: ModuleIn, transactions: Transactions, request: Request, response: Response
) -> ModuleOut:
    """Register a module; 409 if its name is taken."""
    async with transactions.begin() as session:
        module = await modules.register(
            session, NewModule(body.name, body.version, body.active, body.config)
        )
        answer = ModuleOut.model_validate(module)
    location = request.app.url_path_for("read_module", module_id=str(module.id))
    response.headers["Location"] = location
    return answer


@router.get("")
async def list_modules(query: Annotated[PageQuery, Query()], transactions: Transactions) -> PageOut:
    """List the modules, oldest first, a page at a time."""
    after = None if query.cursor is None else cursor.decode(query.cursor)
    async with transactions.begin() as session:
        page = await modules.page(
            session,
            limit=query.limit,
            after=after,
            active=query.active,
            state=query.state,
            search=query.search,
        )
        return PageOut(
            items=[ModuleOut.model_validate(module) for module in page.modules],
            next_cursor=None if page.next is None else cursor.encode(page.next),
        )


@router.get("/{module_id}")
async def read_module(module_id: UUID, sessions: Autocommit) -> ModuleOut:
    """Return one module."""
    async with sessions() as session:
        return ModuleOut.model_validate(await modules.get(session, module_id))


@router.patch("/{module_id}")
async def change_module(
    module_id: UUID, body: ModulePatch, transactions: Transactions
) -> ModuleOut:
    """Change the given fields; 409 if the new name is taken."""
    changes = cast("ModuleChanges", body.model_dump(exclude_unset=True))
    async with transactions.begin() as session:
        return ModuleOut.model_validate(await modules.change(session, module_id, changes))


@router.delete("/{module_id}", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
async def remove_module(module_id: UUID, transactions: Transactions) -> None:
    """Remove a module and its health."""
    async with transactions.begin() as session:
        await modules.remove(session, module_id)


@router.post("/{module_id}/heartbeat")
async def receive_heartbeat(
    module_id: UUID,
    transactions: Transactions,
    *,
    now: CurrentTime,
    offline_after: OfflineAfter,
    counts: HeartbeatCounts,
    body: HeartbeatIn | None = None,
) -> HealthOut:
    """Take a heartbeat and return the module's health; without a body the module is healthy."""
    report = body or HeartbeatIn()
    async with transactions.begin() as session:
        await health.beat(session, module_id, Heartbeat(report.status, report.details), now=now)
        answer = HealthOut.model_validate(
            await health.of_module(session, module_id, offline_after=offline_after, now=now)
        )
    counts["stored"] += 1
    return answer


@router.get("/{module_id}/health")
async def read_module_health(
    module_id: UUID, sessions: Autocommit, now: CurrentTime, offline_after: OfflineAfter
) -> HealthOut:
    """Return the health of one module."""
    async with sessions() as session:
        return HealthOut.model_validate(
            await health.of_module(session, module_id, offline_after=offline_after, now=now)
        )


@router.get("/{module_id}/health/history")
async def read_module_history(
    module_id: UUID, query: Annotated[HistoryQuery, Query()], transactions: Transactions
) -> HistoryOut:
    """List the heartbeats of one module and its silences, newest first, a page at a time."""
    before = None
    if query.cursor is not None:
        position = cursor.decode(query.cursor)
        if position.id != module_id:
            raise InvalidCursorError
        before = position.created_at
    async with transactions.begin() as session:
        page = await health_history.page(session, module_id, limit=query.limit, before=before)
    return HistoryOut(
        items=[HealthRecordOut.model_validate(record) for record in page.records],
        next_cursor=None if page.next is None else cursor.encode(Position(page.next, module_id)),
    )
