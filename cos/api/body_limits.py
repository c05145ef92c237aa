"""How large a body may be, and how long it may take."""

import asyncio
import contextlib
from http import HTTPStatus
from typing import Final

from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cos.api.problems import problem

__all__ = ["MAX_BYTES", "BodyLimitMiddleware"]

MAX_BYTES: Final = 1_000_000
CLOSE: Final = {"Connection": "close"}


class BodyLimitMiddleware:
    """Bounds the body of every request: ``MAX_BYTES`` long, and whole within ``seconds``.

    A declared length beyond the limit is answered before a byte is read, more than was declared or
    no declared length when the limit is passed: 413. A body that takes longer is 408. After either
    the connection is closed.

    A body that nobody asked for is read to its end, within the same limits, before the answer is
    sent: to close on a client that still sends can cost it the answer, and to leave the connection
    open would let it send for ever.
    """

    def __init__(self, app: ASGIApp, *, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request whose body is too large or too slow; pass on any other."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        declared = headers.get("content-length", "")
        if declared in {"", "0"} and "transfer-encoding" not in headers:
            await self._app(scope, receive, send)
            return
        if declared.isdecimal() and int(declared) > MAX_BYTES:
            refusal = problem(
                scope, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _too_large(), headers=CLOSE
            )
            await refusal(scope, receive, send)
            return
        body = _Body(receive, seconds=self._seconds)
        # Such a client waits for leave to send its body, and an answer is none.
        waits = headers.get("expect", "").lower() == "100-continue"

        async def send_after_the_body(message: Message) -> None:
            if message["type"] == "http.response.start":
                is_over = body.is_over or (not (waits and body.is_untouched) and await body.drain())
                if not is_over:
                    MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        await self._app(scope, body.receive, send_after_the_body)


class _BodyRefusedError(HTTPException):
    """The routes let it pass, and it is answered as every HTTP error."""


class _Body:
    """The body of one request as it comes in."""

    def __init__(self, receive: Receive, *, seconds: float) -> None:
        self._receive = receive
        self._seconds = seconds
        self._deadline = asyncio.get_running_loop().time() + seconds
        self._taken = 0
        self._is_refused = False
        self.is_untouched = True
        self.is_over = False

    async def receive(self) -> Message:
        """Return the next message; raise once the body is too large or too late."""
        if self.is_over:
            return await self._receive()
        self.is_untouched = False
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise self._refused(
                HTTPStatus.REQUEST_TIMEOUT,
                f"the body did not arrive within {self._seconds:g} s (COS_BODY_TIMEOUT)",
            ) from None
        self._taken += len(message.get("body", b""))
        if self._taken > MAX_BYTES:
            raise self._refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _too_large())
        # A client that is gone sends nothing more either.
        self.is_over = not message.get("more_body", False)
        return message

    async def drain(self) -> bool:
        """Read what is left; tell whether that was the whole body, within the limits."""
        while not (self.is_over or self._is_refused):
            with contextlib.suppress(_BodyRefusedError):
                await self.receive()
        return self.is_over

    def _refused(self, status: HTTPStatus, detail: str) -> _BodyRefusedError:
        self._is_refused = True
        return _BodyRefusedError(status, detail, CLOSE)


def _too_large() -> str:
    return f"a body has at most {MAX_BYTES} bytes"
