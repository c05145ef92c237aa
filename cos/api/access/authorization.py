"""Lets a request in that needs nothing, or that holds what it needs."""

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from cos.api.access.authority import LOOPBACK_NAMES, Authority, is_loopback
from cos.api.access.needs import Asked, needed_scope
from cos.api.access.presented import Presented, presented
from cos.api.problems import UNSERVED, ProblemResponse, problem, unserved
from cos.models.access_scope import AccessScope
from cos.services.access import board_sessions, tokens
from cos.services.access.credential import CredentialKind, parse
from cos.services.access.holder import ENVIRONMENT, NOBODY, Holder, Refusal, same_secret
from cos.settings import Settings

if TYPE_CHECKING:
    from cos.api.resources import Resources

__all__ = ["HOLDER", "STILL_ALLOWED", "AuthorizationMiddleware", "holder_of_token"]

HOLDER: Final = "holder"
"""The key in the scope's ``state`` (``request.state.holder``) of who sent the request."""

STILL_ALLOWED: Final = "still_allowed"
"""The key beside it of an async function: whether the request would be let in now, too.

For answers without an end; a database that cannot be asked takes nothing away.
"""

POLICY_VIOLATION: Final = 1008
CHALLENGE: Final = 'Bearer realm="cos"'


async def holder_of_token(
    session: AsyncSession, text: str, *, api_token: SecretStr | None
) -> Holder | Refusal:
    """Return who holds the token ``text``. For COS_API_TOKEN the database is not asked."""
    if api_token is not None and same_secret(text, api_token.get_secret_value()):
        return ENVIRONMENT
    credential = parse(CredentialKind.API, text)
    return Refusal.UNKNOWN if credential is None else await tokens.verify(session, credential)


class AuthorizationMiddleware:
    """Answers 401 without good credentials, 403 without the scope, 503 when it cannot ask.

    It stands before the routing, so a path that is added later is closed until it is opened
    (`cos.api.access.needs`). Websockets are closed.
    """

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        self._app = app
        self._api_token = settings.api_token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that may not pass; pass on any other, with its holder in the state."""
        refusal = None
        if scope["type"] == "websocket":
            # There are none yet. Whoever adds one decides here how its holder is known.
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        if scope["type"] == "http":
            client = scope["client"][0] if scope.get("client") else None
            named = Authority.parse(Headers(scope=scope).get("host", ""))
            host = None if named is None else named.host
            need = needed_scope(Asked(scope["method"], scope["path"], client, host))
            if need is not None:
                refusal = await self._refusal(scope, need, client)

                async def is_still_allowed() -> bool:
                    now = await self._refusal(scope, need, client)
                    return now is None or now.status_code == HTTPStatus.SERVICE_UNAVAILABLE

                scope.setdefault("state", {})[STILL_ALLOWED] = is_still_allowed
        await (refusal or self._app)(scope, receive, send)

    async def _refusal(
        self, scope: Scope, need: AccessScope, client: str | None
    ) -> ProblemResponse | None:
        headers = Headers(scope=scope)
        given = presented(
            headers.getlist("authorization"), headers.getlist("cookie"), scheme=scope["scheme"]
        )
        try:
            holder = await self._holder(scope, headers, given, client)
        except UNSERVED as error:
            return unserved(scope, error)
        if isinstance(holder, str):
            return _unauthorized(scope, holder, has_credentials=given != Presented())
        if need not in holder.scopes:
            return _forbidden(scope, need, holder)
        scope.setdefault("state", {})[HOLDER] = holder
        return None

    async def _holder(
        self, scope: Scope, headers: Headers, given: Presented, client: str | None
    ) -> Holder | str:
        """Return who sends the request, or what is wrong with its credentials."""
        if given.is_malformed:
            return "The request has an Authorization header that is not one bearer token."
        resources: Resources = scope["app"].state.resources
        async with resources.autocommit_sessions() as session:
            if given.bearer is not None:
                found = await holder_of_token(session, given.bearer, api_token=self._api_token)
                return f"The token {found}." if isinstance(found, Refusal) else found
            credential = parse(CredentialKind.BOARD, given.cookie or "")
            if credential is not None:
                holder = await board_sessions.find(session, credential, api_token=self._api_token)
                if holder is not None:
                    return holder
            if self._is_open_to_loopback(headers, scope, client) and not resources.gate.is_closed:
                resources.gate.is_closed = await tokens.was_ever_created(session)
                if not resources.gate.is_closed:
                    return NOBODY
        if given.cookie is not None:
            return "The session of this browser is over: log in again."
        return "The request has no access token."

    def _is_open_to_loopback(self, headers: Headers, scope: Scope, client: str | None) -> bool:
        """Tell whether a request needs no token as long as none was created.

        It must come from this machine, to it, and under its own name: a proxy on this machine that
        serves others under another name lets nobody in.
        """
        authority = Authority.parse(headers.get("host", ""))
        return (
            self._api_token is None
            and is_loopback(client)
            and is_loopback(scope["server"][0] if scope.get("server") else None)
            and authority is not None
            and authority.host in LOOPBACK_NAMES
        )


def _unauthorized(scope: Scope, reason: str, *, has_credentials: bool) -> ProblemResponse:
    challenge = CHALLENGE + (', error="invalid_token"' if has_credentials else "")
    return problem(
        scope,
        HTTPStatus.UNAUTHORIZED,
        f"{reason} Send the header `Authorization: Bearer TOKEN`, with a token that"
        " `python -m cos token create NAME` printed, or with the value of COS_API_TOKEN.",
        headers={"WWW-Authenticate": challenge},
    )


def _forbidden(scope: Scope, need: AccessScope, holder: Holder) -> ProblemResponse:
    challenge = f'{CHALLENGE}, error="insufficient_scope", scope="{need}"'
    may = " and ".join(sorted(holder.scopes))
    return problem(
        scope,
        HTTPStatus.FORBIDDEN,
        f"This request needs the scope {need}, and its token allows to {may} only."
        " Use a token with that scope: `python -m cos token create NAME` makes one.",
        kind=("insufficient-scope", "The scope is insufficient"),
        headers={"WWW-Authenticate": challenge},
    )
