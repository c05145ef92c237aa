"""Refuses requests that are addressed to somebody else, or sent by somebody else's page."""

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from cos.api.access.authority import Authority, Origin, normal_host
from cos.api.access.presented import presented
from cos.api.access.sender_checks import (
    HostVerdict,
    OriginVerdict,
    SentFrom,
    judge_host,
    judge_origin,
)
from cos.api.problems import ProblemResponse, problem
from cos.settings import Settings

__all__ = ["SenderMiddleware"]


class SenderMiddleware:
    """Lets a request pass whose Host is this service's, and whose Origin, if it matters, is too."""

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        self._app = app
        self._hosts = frozenset(map(normal_host, settings.allowed_hosts))
        parsed = map(Origin.parse, settings.allowed_origins)
        self._origins = frozenset(origin for origin in parsed if origin is not None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 400, 421 or 403, or pass the request on."""
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> ProblemResponse | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        local = scope["server"][0] if scope.get("server") else None
        match judge_host(hosts, local_address=local, allowed=self._hosts):
            case HostVerdict.MALFORMED:
                return problem(
                    scope,
                    HTTPStatus.BAD_REQUEST,
                    "The request needs one header Host, with a name or address and perhaps a port.",
                    kind=("malformed-host", "The host is malformed"),
                )
            case HostVerdict.FOREIGN:
                return problem(
                    scope,
                    HTTPStatus.MISDIRECTED_REQUEST,
                    f"The request is addressed to {hosts[0]}, and this control center does not"
                    " answer to that name. Use localhost or the address that it listens on, or add"
                    " the name to the setting COS_ALLOWED_HOSTS and start it again.",
                    kind=("unknown-host", "The host is unknown"),
                )
        authority = Authority.parse(hosts[0])
        assert authority is not None
        return self._origin_refusal(scope, headers, Origin.of(scope["scheme"], authority))

    def _origin_refusal(
        self, scope: Scope, headers: Headers, own: Origin
    ) -> ProblemResponse | None:
        given = presented(
            headers.getlist("authorization"), headers.getlist("cookie"), scheme=scope["scheme"]
        )
        sent = SentFrom(
            scope["method"],
            headers.getlist("origin"),
            headers.get("sec-fetch-site"),
            by_cookie=given.cookie is not None,
        )
        match judge_origin(sent, own=own, allowed=self._origins):
            case OriginVerdict.FOREIGN:
                detail = (
                    f"The request comes from a page of {', '.join(sent.origins)}, and only pages"
                    " of this control center may change something. If that page is meant to, add"
                    " its origin to the setting COS_ALLOWED_ORIGINS and start it again."
                )
            case OriginVerdict.UNSAID:
                detail = (
                    "The request is authorized by a cookie and does not say which page sent it."
                    " Browsers say so in Origin or Sec-Fetch-Site; programs send a token:"
                    " `Authorization: Bearer TOKEN`."
                )
            case _:
                return None
        return problem(
            scope, HTTPStatus.FORBIDDEN, detail, kind=("foreign-origin", "The origin is foreign")
        )
