"""``/cc/events``."""

from typing import Annotated

from fastapi import APIRouter, Query

from cos.api import ROOT
from cos.api.event_schemas import EventOut, EventPageOut, EventQuery
from cos.api.resources import Transactions
from cos.services import event_log
from cos.services.event_log import Selection

__all__ = ["router"]

router = APIRouter(prefix=f"{ROOT}/events", tags=["events"])


@router.get("")
async def list_events(
    query: Annotated[EventQuery, Query()], transactions: Transactions
) -> EventPageOut:
    """List the retained events, newest first or oldest first, a page at a time."""
    async with transactions.begin() as session:
        page = await event_log.page(
            session,
            Selection(module_id=query.module_id, type=query.type, since=query.since),
            limit=query.limit,
            after=query.cursor,
            oldest_first=query.order == "oldest",
        )
        return EventPageOut(
            items=[EventOut.model_validate(event) for event in page.events],
            next_cursor=page.next,
        )
