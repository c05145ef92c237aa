"""Counting and timing requests."""

import time
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["RequestMetricsMiddleware"]

METHODS: Final = {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}
# Seconds; most answers take one round trip or two of the database.
BUCKETS: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# For a path that no route has, and for requests that were refused before the routing.
NO_ROUTE: Final = "-"


class RequestMetricsMiddleware:
    """Counts requests by the template of their route, never by their path, which has no bounds."""

    def __init__(self, app: ASGIApp, *, registry: CollectorRegistry) -> None:
        self._app = app
        self._requests = Counter(
            "cos_http_requests",
            "Requests that were answered.",
            ["route", "method", "status"],
            registry=registry,
        )
        self._seconds = Histogram(
            "cos_http_request_duration_seconds",
            "From the first byte of a request to the last of its answer.",
            ["route", "method"],
            registry=registry,
            buckets=BUCKETS,
        )
        self._in_flight = Gauge(
            "cos_http_requests_in_flight",
            "Requests that are being answered.",
            registry=registry,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request and count it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # What ends without an answer ended by an unexpected error; the server answers 500.
        status = 500
        began = time.perf_counter()

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with self._in_flight.track_inprogress():
            try:
                await self._app(scope, receive, send_and_note)
            finally:
                route = getattr(scope.get("route"), "path", NO_ROUTE)
                method = scope["method"] if scope["method"] in METHODS else "other"
                self._requests.labels(route, method, status).inc()
                self._seconds.labels(route, method).observe(time.perf_counter() - began)
