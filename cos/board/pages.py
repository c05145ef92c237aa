"""The pages of the board, and the parts that an open page asks for when they changed."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.templating import Jinja2Templates
from pydantic import BeforeValidator
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.staticfiles import StaticFiles

from cos.api.access.authorization import HOLDER, STILL_ALLOWED
from cos.api.access.needs import LOGIN
from cos.api.access.presented import cookie_name
from cos.api.dead_letters import LetterId
from cos.api.resources import CurrentTime, LivePages, OfflineAfter, RedisCircuit, Transactions
from cos.api.safe_headers import PAGE_POLICY
from cos.board.contents import dead_part, events_part, modules_part, summary_part
from cos.board.rows import Filter, Summary
from cos.board.server_sent import server_sent
from cos.board.views import STATES
from cos.models import HealthState
from cos.models.access_scope import AccessScope
from cos.services import dead_letters
from cos.services.errors import ServiceError

__all__ = ["FILES", "router"]

HERE: Final = Path(__file__).parent
FILES: Final = StaticFiles(directory=HERE / "static")
TEMPLATES: Final = Jinja2Templates(HERE / "templates")
# Seconds between two batches for one page, and of quiet before its summary is told again.
INTERVAL: Final = 0.5
KEEP_ALIVE: Final = 3.0
PROBLEMS: Final = {
    401: "This token is not known, or it was revoked, or it has expired.",
    429: "Too many logins failed. Wait a minute and try again.",
    503: "The database cannot be reached just now. Try again shortly.",
}
OTHER_PROBLEM: Final = "The login failed. Paste the token alone, in one line."

router = APIRouter(include_in_schema=False)


def _empty_is_none(value: object) -> object:
    return None if value == "" else value


async def chosen(
    search: Annotated[str, Query(max_length=255)] = "",
    state: Annotated[HealthState | None, BeforeValidator(_empty_is_none), Query()] = None,
    cursor: Annotated[str, Query(max_length=200)] = "",
) -> Filter:
    """Return the filter of a request; a form sends what nobody filled in as an empty text."""
    return Filter(search.strip().replace("\0", ""), state, cursor)


Chosen = Annotated[Filter, Depends(chosen)]


async def summed_up(
    transactions: Transactions,
    circuit: RedisCircuit,
    now: CurrentTime,
    offline_after: OfflineAfter,
) -> Summary:
    """Return the summary of this moment."""
    return await summary_part(transactions, circuit, offline_after=offline_after, now=now)


SummedUp = Annotated[Summary, Depends(summed_up)]


@router.get("/")
async def page(
    request: Request, chosen: Chosen, summary: SummedUp, transactions: Transactions
) -> Response:
    """Show how everything stands."""
    # At once: a database that does not answer costs its time limit once.
    modules, dead, events = await asyncio.gather(
        modules_part(transactions, chosen), dead_part(transactions), events_part(transactions)
    )
    return _rendered(
        request,
        "page.html",
        filter=chosen,
        states=STATES,
        signed_in=cookie_name(request.scope["scheme"]) in request.cookies,
        summary=summary,
        modules=modules,
        dead=dead,
        events=events,
    )


@router.get("/board/summary")
async def summary(request: Request, summary: SummedUp) -> Response:
    """Show the figures."""
    return _rendered(request, "summary.html", summary=summary)


@router.get("/board/modules")
async def module_list(request: Request, chosen: Chosen, transactions: Transactions) -> Response:
    """Show the modules that the filter lets pass."""
    part = await modules_part(transactions, chosen)
    answer = _rendered(request, "modules.html", modules=part)
    # Reloading the page, or sending its address to somebody, shows the same modules.
    answer.headers["HX-Replace-Url"] = chosen.link(cursor=chosen.cursor)
    return answer


@router.get("/board/events")
async def event_list(request: Request, transactions: Transactions) -> Response:
    """Show the newest events."""
    return _rendered(request, "events.html", events=await events_part(transactions))


@router.get("/board/dead-letters")
async def dead_letter_list(request: Request, transactions: Transactions) -> Response:
    """Show the newest dead letters."""
    return _rendered(request, "dead_letters.html", dead=await dead_part(transactions))


@router.post("/board/dead-letters/{letter_id}/replay")
async def replay(request: Request, letter_id: LetterId, transactions: Transactions) -> Response:
    """Ask for a replay, and show the dead letters as they are then."""
    with suppress(ServiceError):  # gone meanwhile: the list shows it
        async with transactions.begin() as session:
            await dead_letters.request_replay(session, letter_id)
    if "hx-request" not in request.headers:
        return RedirectResponse("/", HTTPStatus.SEE_OTHER)
    return _rendered(request, "dead_letters.html", dead=await dead_part(transactions))


@router.get(LOGIN)
async def login(request: Request, problem: int = 0) -> Response:
    """Show the form of the login, after a failed one with what was wrong."""
    words = PROBLEMS.get(problem, OTHER_PROBLEM) if problem else ""
    return _rendered(request, "login.html", problem=words)


@router.get("/board/live")
async def live(request: Request, pages: LivePages) -> Response:
    """Tell an open page what to ask for again, for as long as it is open and may."""

    async def told() -> AsyncGenerator[str]:
        with pages.reader() as reader:
            async for text in server_sent(
                reader,
                interval=INTERVAL,
                keep_alive=KEEP_ALIVE,
                is_allowed=getattr(request.state, STILL_ALLOWED),
            ):
                yield text

    return StreamingResponse(
        told(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
    )


def _rendered(request: Request, template: str, **context: Any) -> Response:
    holder = getattr(request.state, HOLDER, None)
    context["can_write"] = holder is not None and AccessScope.WRITE in holder.scopes
    return TEMPLATES.TemplateResponse(
        request, template, context, headers={"Content-Security-Policy": PAGE_POLICY}
    )
