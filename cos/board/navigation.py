"""What a browser is answered instead of a problem document: the way to the login and back."""

from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cos.api.access.needs import LOGIN, LOGOUT

__all__ = ["BOARD", "PARTS", "NavigationMiddleware", "way_on"]

BOARD: Final = "/"
PARTS: Final = "/board/"


def way_on(method: str, path: str, status: int) -> str | None:
    """Return where a browser goes on from an answer; None: the answer is shown as it is."""
    if status == HTTPStatus.UNAUTHORIZED and (path == BOARD or path.startswith(PARTS)):
        return LOGIN
    if method == "POST" and path in {LOGIN, LOGOUT}:
        if status < HTTPStatus.BAD_REQUEST:
            return BOARD if path == LOGIN else LOGIN
        return f"{LOGIN}?problem={status}"
    return None


class NavigationMiddleware:
    """Sends browsers on with 303, and the parts of an open page with a header of htmx.

    Only requests that ask for HTML: programs are answered as everywhere else. Cookies that the
    answer sets stay.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and its answer or the redirection back."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        if "text/html" not in headers.get("accept", ""):
            await self._app(scope, receive, send)
            return
        is_part = "hx-request" in headers
        redirected = False

        async def send_on(message: Message) -> None:
            nonlocal redirected
            if message["type"] == "http.response.start":
                target = way_on(scope["method"], scope["path"], message["status"])
                if target is not None and is_part:
                    MutableHeaders(scope=message)["HX-Redirect"] = target
                elif target is not None:
                    redirected = True
                    message = _redirection(message, target)
            elif redirected:
                message = {**message, "body": b""}
            await send(message)

        await self._app(scope, receive, send_on)


def _redirection(message: Message, target: str) -> Message:
    answer = {**message, "status": int(HTTPStatus.SEE_OTHER), "headers": list(message["headers"])}
    headers = MutableHeaders(scope=answer)
    del headers["content-type"]
    headers["content-length"] = "0"
    headers["location"] = target
    return answer
