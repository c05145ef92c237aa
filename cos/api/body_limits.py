"""How large a body may be, and how long it may take."""

import asyncio
import contextlib
from http import HTTPStatus
from typing import Final

from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cos.api.problems import ProblemResponse, problem

__all__ = ["MAX_BYTES", "BodyLimitMiddleware"]

MAX_BYTES: Final = 1_000_000
# What a client may still send after it was refused, until the connection is closed.
LINGERING_BYTES: Final = 16 * MAX_BYTES
CLOSE: Final = {"Connection": "close"}
TOO_LARGE: Final = f"a body has at most {MAX_BYTES} bytes"


class BodyLimitMiddleware:
    """Bounds the body of every request: ``MAX_BYTES`` long, and whole within ``seconds``.

    A declared length beyond the limit is answered before a byte is read, a body that turns out to
    be longer when it is: 413. One that takes longer is 408. After either the connection is closed.

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
        body = _Body(receive, seconds=self._seconds)
        refusal = _refusal(scope, declared, is_chunked="transfer-encoding" in headers)
        body.is_refused = refusal is not None
        # Such a client waits for leave to send its body, and an answer is none.
        waits = headers.get("expect", "").lower() == "100-continue"
        closes = False

        async def send_around_the_body(message: Message) -> None:
            nonlocal closes
            if message["type"] == "http.response.start":
                if not (waits and body.is_untouched):
                    await body.drain()
                closes = not body.is_over
                if closes:
                    MutableHeaders(scope=message)["Connection"] = "close"
            elif closes and not waits and not message.get("more_body", False):
                # The answer is whole; its end, which closes the connection, comes a little later:
                # what still arrives then would cost the client the answer.
                await send({**message, "more_body": True})
                await body.linger()
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        await (refusal or self._app)(scope, body.receive, send_around_the_body)


class _BodyRefusedError(HTTPException):
    """The routes let it pass, and it is answered as every HTTP error."""


class _Body:
    """The body of one request as it comes in."""

    def __init__(self, receive: Receive, *, seconds: float) -> None:
        self._receive = receive
        self._seconds = seconds
        self._deadline = asyncio.get_running_loop().time() + seconds
        self._taken = 0
        self.is_untouched = True
        self.is_over = False
        self.is_refused = False

    async def receive(self) -> Message:
        """Return the next message; raise once the body is too large or too late."""
        if self.is_over:
            return await self._receive()
        try:
            message = await self._next()
        except TimeoutError:
            raise self._refused(
                HTTPStatus.REQUEST_TIMEOUT,
                f"the body did not arrive within {self._seconds:g} s (COS_BODY_TIMEOUT)",
            ) from None
        if self._taken > MAX_BYTES:
            raise self._refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, TOO_LARGE)
        return message

    async def drain(self) -> None:
        """Read what is left, within the limits."""
        with contextlib.suppress(_BodyRefusedError):
            while not (self.is_over or self.is_refused):
                await self.receive()

    async def linger(self) -> None:
        """Read what a client that was refused still sends, until the deadline at the latest."""
        with contextlib.suppress(TimeoutError):
            while not self.is_over and self._taken < LINGERING_BYTES:
                await self._next()

    async def _next(self) -> Message:
        self.is_untouched = False
        async with asyncio.timeout_at(self._deadline):
            message = await self._receive()
        self._taken += len(message.get("body", b""))
        # A client that is gone sends nothing more either.
        self.is_over = not message.get("more_body", False)
        return message

    def _refused(self, status: HTTPStatus, detail: str) -> _BodyRefusedError:
        self.is_refused = True
        return _BodyRefusedError(status, detail, CLOSE)


def _refusal(scope: Scope, declared: str, *, is_chunked: bool) -> ProblemResponse | None:
    if declared and is_chunked:
        # Where one body ends and the next request begins, a proxy may have seen otherwise.
        return problem(
            scope,
            HTTPStatus.BAD_REQUEST,
            "A body has either a Content-Length or a Transfer-Encoding, not both.",
            headers=CLOSE,
        )
    if _is_more(declared, MAX_BYTES):
        detail = f"The declared Content-Length is beyond the limit: {TOO_LARGE}."
        return problem(scope, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, headers=CLOSE)
    return None


def _is_more(declared: str, limit: int) -> bool:
    digits = declared.lstrip("0")
    # As text: Python makes no number of more than 4,300 digits.
    return digits.isdecimal() and (len(digits), digits) > (len(str(limit)), str(limit))
