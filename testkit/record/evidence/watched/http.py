"""Exchanges over HTTP of the running test, by the clients that the process has imported.

The lowest method that every request of a client passes is wrapped on its class: a TestClient of
Starlette is a client of httpx, and so is what speaks to an ASGI application. A body is told where
the client has read it; nothing is read here.
"""

from __future__ import annotations

import functools
import time
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from testkit.record.evidence.safely import attributes, type_name

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable
    from types import ModuleType

__all__ = ["CLIENTS", "Exchange", "Watch"]

_now: Final = time.perf_counter
_MOST_KEPT: Final = 64_000
#: Module, class, method, and whether it is a coroutine.
CLIENTS: Final = (
    ("httpx", "Client", "send", False),
    ("httpx", "AsyncClient", "send", True),
    ("httpx2", "Client", "send", False),
    ("httpx2", "AsyncClient", "send", True),
    ("requests.sessions", "Session", "send", False),
)


@dataclass(slots=True)
class Exchange:
    """One request and its answer; ``status`` is 0 where there was none."""

    at: float
    method: str = ""
    url: str = ""
    request_body: bytes = b""
    status: int = 0
    body: bytes = b""
    error: str = ""
    later: Callable[[], object] | None = None

    @property
    def answer(self) -> bytes:
        """The body, as far as it has been read by now."""
        if self.later is not None:
            self.body = _body(attributes(self.later()).get("_content"))
        return self.body


class Watch:
    """Wraps the clients of a module when told to; takes each wrap off again at the end."""

    def __init__(self, ring: deque[Exchange]) -> None:
        self._ring = ring
        self._wrapped: list[tuple[type, str, object, object]] = []

    def wrap(self, module: ModuleType) -> None:
        """Wrap the clients of a module that was imported."""
        for name, cls, method, waits in CLIENTS:
            if name == module.__name__:
                self._wrap(vars(module)[cls], method, waits=waits)

    def end(self) -> None:
        """Take off what nobody has wrapped again meanwhile; the others note nothing more."""
        self._ring = type(self._ring)(maxlen=0)
        for cls, method, original, wrap in self._wrapped:
            if vars(cls).get(method) is wrap:
                setattr(cls, method, original)
        self._wrapped.clear()

    def _wrap(self, cls: type, method: str, *, waits: bool) -> None:
        original = vars(cls)[method]
        wrap = self._waiting(original) if waits else self._sending(original)
        setattr(cls, method, wrap)
        self._wrapped.append((cls, method, original, wrap))

    def _sending(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def send(client: Any, request: Any, *args: Any, **named: Any) -> Any:
            __tracebackhide__ = True  # pytest shows the project's frames and the client's
            exchange = self._begin(request)
            try:
                response = original(client, request, *args, **named)
            except BaseException as error:
                exchange.error = type_name(type(error))
                raise
            _answered(exchange, response)
            return response

        return send

    def _waiting(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        async def send(client: Any, request: Any, *args: Any, **named: Any) -> Any:
            __tracebackhide__ = True  # pytest shows the project's frames and the client's
            exchange = self._begin(request)
            try:
                response = await original(client, request, *args, **named)
            except BaseException as error:
                exchange.error = type_name(type(error))
                raise
            _answered(exchange, response)
            return response

        return send

    def _begin(self, request: object) -> Exchange:
        exchange = Exchange(_now())
        self._ring.append(exchange)
        held = attributes(request)
        method, url = held.get("method"), held.get("url")
        exchange.method = method if type(method) is str else ""
        exchange.url = _url(url)
        exchange.request_body = _body(held.get("_content", held.get("body")))
        return exchange


def _answered(exchange: Exchange, response: object) -> None:
    exchange.at = _now()
    held = attributes(response)
    status = held.get("status_code")
    exchange.status = status if type(status) is int else 0
    content = held.get("_content")
    if type(content) is bytes:
        exchange.body = _body(content)
    else:
        # A stream that the test may read later: held weakly, or it would end later than it did.
        try:
            exchange.later = weakref.ref(response)
        except TypeError:
            exchange.later = None


def _url(url: object) -> str:
    if type(url) is str:
        return url[:2_000]
    # Of httpx: its own class, of nothing but texts.
    if type_name(type(url)) in {"httpx.URL", "httpx2.URL"}:
        return str(url)[:2_000]
    return ""


def _body(content: object) -> bytes:
    if type(content) is str:
        return content[:_MOST_KEPT].encode(errors="replace")
    return content[:_MOST_KEPT] if type(content) is bytes else b""
