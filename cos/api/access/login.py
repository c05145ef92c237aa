"""``/login`` and ``/logout`` of the board, and who one is."""

import json
import logging
import math
import time
from datetime import datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel

from cos.api import ROOT
from cos.api.access.authorization import HOLDER, holder_of_token
from cos.api.access.needs import LOGIN, LOGOUT
from cos.api.access.presented import SECURE_COOKIE, cookie_name, presented
from cos.api.problems import problem
from cos.api.resources import CurrentGate, CurrentSettings, Transactions
from cos.models.access_scope import AccessScope
from cos.services.access import board_sessions
from cos.services.access.credential import CredentialKind, parse
from cos.services.access.holder import Holder, Refusal

__all__ = ["AccessOut", "router"]

LOGGER: Final = logging.getLogger(__name__)
FORM: Final = "application/x-www-form-urlencoded"
BODY_SCHEMA: Final = {
    "type": "object",
    "required": ["token"],
    "properties": {"token": {"type": "string"}},
}

router = APIRouter(tags=["access"])


class AccessOut(BaseModel):
    """Who sends the requests, what they may do, and until when (null: no end is known)."""

    name: str
    scopes: list[AccessScope]
    expires_at: datetime | None


@router.get(f"{ROOT}/access")
async def read_access(request: Request) -> AccessOut:
    """Return who the credentials of this request belong to."""
    holder: Holder = getattr(request.state, HOLDER)
    return AccessOut(name=holder.name, scopes=sorted(holder.scopes), expires_at=holder.expires_at)


@router.post(
    LOGIN,
    response_model=AccessOut,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {kind: {"schema": BODY_SCHEMA} for kind in ("application/json", FORM)},
        }
    },
)
async def log_in(
    request: Request,
    response: Response,
    transactions: Transactions,
    settings: CurrentSettings,
    gate: CurrentGate,
) -> AccessOut | Response:
    """Take a token, as a form or as JSON, and answer with the cookie of a session."""
    text = await _token(request)
    begun = time.monotonic()
    wait = gate.logins.begin(begun)
    if wait:
        return problem(
            request.scope,
            HTTPStatus.TOO_MANY_REQUESTS,
            f"Too many logins failed. Try again in {math.ceil(wait)} s; requests that send a"
            " token in the header Authorization are answered as ever.",
            kind=("too-many-logins", "Too many logins failed"),
            headers={"Retry-After": str(math.ceil(wait))},
        )
    try:
        async with transactions.begin() as session:
            holder = await holder_of_token(session, text, api_token=settings.api_token)
            if not isinstance(holder, Refusal):
                opened = await board_sessions.open_for(
                    session, holder, api_token=settings.api_token
                )
    except BaseException:
        # Nobody learned whether the token is good: that is no guess.
        gate.logins.forgive(begun)
        raise
    if isinstance(holder, Refusal):
        LOGGER.warning("a login from %s failed: the token %s", request.client, holder)
        return problem(
            request.scope,
            HTTPStatus.UNAUTHORIZED,
            f"The token {holder}. Log in with one that `python -m cos token create NAME` printed,"
            " or with the value of COS_API_TOKEN.",
            headers={"WWW-Authenticate": 'Bearer realm="cos", error="invalid_token"'},
        )
    gate.logins.forgive(begun)
    _set_cookie(request, response, opened.credential.text, seconds=opened.seconds_left)
    return AccessOut(name=holder.name, scopes=sorted(holder.scopes), expires_at=opened.expires_at)


@router.post(LOGOUT, status_code=HTTPStatus.NO_CONTENT, response_class=Response)
async def log_out(request: Request, response: Response, transactions: Transactions) -> None:
    """End the session of the cookie, here too; without one there is nothing to do."""
    given = presented([], request.headers.getlist("cookie"), scheme=request.scope["scheme"])
    credential = parse(CredentialKind.BOARD, given.cookie or "")
    if credential is not None:
        async with transactions.begin() as session:
            await board_sessions.end(session, credential)
    _set_cookie(request, response, "", seconds=0)


def _set_cookie(request: Request, response: Response, value: str, *, seconds: int) -> None:
    name = cookie_name(request.scope["scheme"])
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        path="/",
        secure=name == SECURE_COOKIE,
        httponly=True,
        samesite="strict",
    )


async def _token(request: Request) -> str:
    """Return the token in the body; raise 415 or 422 without a word of the body in it."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await request.body()
    try:
        if kind == "application/json":
            document = json.loads(body.decode("utf-8"))
            token = document.get("token") if isinstance(document, dict) else None
        elif kind == FORM:
            found = parse_qs(body.decode("utf-8"), max_num_fields=10).get("token", [])
            token = found[0] if len(found) == 1 else None
        else:
            raise HTTPException(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"a login is a form ({FORM}) or JSON (application/json)",
            )
    except (ValueError, RecursionError):
        token = None
    if not isinstance(token, str) or not token.strip():
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "the body needs one text `token`")
    return token.strip()
