"""One log line for every request."""

import logging
import time
from typing import Final
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["ACCESS_FIELDS", "AccessLogMiddleware"]

LOGGER: Final = logging.getLogger("cos.access")
ACCESS_FIELDS: Final = ("client", "method", "path", "status", "duration_ms")
"""The attributes that such a record has, for formatters."""


class AccessLogMiddleware:
    """Logs a request when its answer is over, or was given up: then without a status.

    The query is left out, and so are all headers: people put secrets there.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and log it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status: int | None = None

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        finally:
            facts = {
                "client": scope["client"][0] if scope.get("client") else None,
                "method": scope["method"],
                "path": quote(scope["path"]),
                "status": status,
                "duration_ms": round((time.perf_counter() - started) * 1000, 1),
            }
            LOGGER.info(
                "%s %s %s %s %.1f ms",
                *("-" if facts[name] is None else facts[name] for name in ACCESS_FIELDS),
                extra=facts,
            )
