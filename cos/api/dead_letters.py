"""``/cc/dead-letters``."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from cos.api import ROOT
from cos.api.event_schemas import (
    MAX_BIGINT,
    DeadLetterOut,
    DeadLetterPageOut,
    DeadLetterQuery,
)
from cos.api.resources import Transactions
from cos.services import dead_letters

__all__ = ["LetterId", "router"]

router = APIRouter(prefix=f"{ROOT}/dead-letters", tags=["dead letters"])

LetterId = Annotated[int, Path(ge=1, le=MAX_BIGINT)]


@router.get("")
async def list_dead_letters(
    query: Annotated[DeadLetterQuery, Query()], transactions: Transactions
) -> DeadLetterPageOut:
    """List the dead letters, newest first, a page at a time."""
    async with transactions.begin() as session:
        page = await dead_letters.page(
            session,
            limit=query.limit,
            after=query.cursor,
            group=query.group,
            module_id=query.module_id,
        )
        return DeadLetterPageOut(
            items=[DeadLetterOut.model_validate(letter) for letter in page.letters],
            next_cursor=page.next,
        )


@router.get("/{letter_id}")
async def read_dead_letter(letter_id: LetterId, transactions: Transactions) -> DeadLetterOut:
    """Return one dead letter."""
    async with transactions.begin() as session:
        return DeadLetterOut.model_validate(await dead_letters.get(session, letter_id))


@router.post("/{letter_id}/replay", status_code=HTTPStatus.ACCEPTED)
async def replay_dead_letter(letter_id: LetterId, transactions: Transactions) -> DeadLetterOut:
    """Have a running subscriber of its group handle it again; 409 while one is at it."""
    async with transactions.begin() as session:
        return DeadLetterOut.model_validate(await dead_letters.request_replay(session, letter_id))


@router.delete("/{letter_id}", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
async def drop_dead_letter(letter_id: LetterId, transactions: Transactions) -> None:
    """Drop it, for good; 409 while it is being replayed."""
    async with transactions.begin() as session:
        await dead_letters.drop(session, letter_id)
