"""Authorization by one shared token."""

import hmac
from http import HTTPStatus
from typing import Final

from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from cos.api import ROOT
from cos.api.problems import problem

__all__ = ["BearerTokenMiddleware"]

OPEN_TO_ALL: Final = f"{ROOT}/health/"


class BearerTokenMiddleware:
    """Lets a request pass that carries the token, or that asks for the process's own health.

    It stands before the routing, so a path that is added later is closed until it is opened.
    """

    def __init__(self, app: ASGIApp, *, token: SecretStr) -> None:
        self._app = app
        self._token = token.get_secret_value().encode("ascii")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 for a request without the token, and pass on any other."""
        if scope["type"] != "http" or scope["path"].startswith(OPEN_TO_ALL):
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).getlist("authorization")
        if len(given) == 1 and self._accepts(given[0]):
            await self._app(scope, receive, send)
            return
        challenge = 'Bearer realm="cos"' + (', error="invalid_token"' if given else "")
        answer = problem(
            scope,
            HTTPStatus.UNAUTHORIZED,
            "This control center asks for its API token. Send the header"
            " `Authorization: Bearer TOKEN` with the value of COS_API_TOKEN.",
            headers={"WWW-Authenticate": challenge},
        )
        await answer(scope, receive, send)

    def _accepts(self, credentials: str) -> bool:
        scheme, _, token = credentials.partition(" ")
        # Headers are Latin-1 text; compare_digest takes text in ASCII only, but any bytes.
        matches = hmac.compare_digest(token.strip(" ").encode("latin-1"), self._token)
        return scheme.lower() == "bearer" and matches
