"""A name for every request: in its answer, its problem document, its log lines and its events."""

import logging
import re
from typing import Final
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cos.events.correlation import correlate, correlation_id

__all__ = ["HEADER", "RequestIdFilter", "RequestIdMiddleware", "current_request_id"]

HEADER: Final = "X-Request-ID"
# Nothing that could end a header or forge a log line.
VALID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")


def current_request_id() -> str:
    """Return the id of the request that is being answered; ``-`` outside of one."""
    return correlation_id()


class RequestIdMiddleware:
    """Keeps a valid ``X-Request-ID``, replaces a malformed or missing one, and sends it back."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request under its id."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        request_id = given if VALID.fullmatch(given) else uuid4().hex
        # Not reset afterwards: the server logs an unexpected error when this call is over, in the
        # same context, and each request has a context of its own.
        correlate(request_id)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        await self._app(scope, receive, send_with_id)


class RequestIdFilter(logging.Filter):
    """Gives every log record a ``request_id``."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, with the id of the current request."""
        record.request_id = current_request_id()
        return True
