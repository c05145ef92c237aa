"""The application."""

from typing import Final

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from cos.api import ROOT, dead_letters, events, metrics, modules, problems, system
from cos.api.access import login
from cos.api.access.authorization import AuthorizationMiddleware
from cos.api.access.needs import STATIC
from cos.api.access.sender import SenderMiddleware
from cos.api.access_log import AccessLogMiddleware
from cos.api.body_limits import BodyLimitMiddleware
from cos.api.lifespan import lifespan
from cos.api.metrics import Metrics
from cos.api.request_id import RequestIdMiddleware
from cos.api.request_metrics import RequestMetricsMiddleware
from cos.api.safe_headers import SafeHeadersMiddleware
from cos.board import pages
from cos.board.navigation import NavigationMiddleware
from cos.settings import Settings, load

__all__ = ["create_app"]

VERSION: Final = "0.1.0"

# A request passes these first, from the top. They stand outside of the answer to an unexpected
# error, so that a 500 has its id, its line and its headers too; they have no errors of their own.
OUTSIDE: Final = (
    RequestIdMiddleware,  # first: everything that follows logs under the id
    AccessLogMiddleware,  # sees the status that is really sent
    SafeHeadersMiddleware,  # whatever refuses a request below, its answer gets them
)


def _inside(settings: Settings, counted: Metrics) -> list[Middleware]:
    """Return what a request passes then, from the top; what they raise is a 500."""
    return [
        # Around everything that refuses: a 401 is counted too.
        Middleware(RequestMetricsMiddleware, registry=counted.registry),
        # Around everything that refuses: a browser is sent on to the login.
        Middleware(NavigationMiddleware),
        # Around the checks, because an answer that none of them waited with is sent after the body.
        Middleware(BodyLimitMiddleware, seconds=settings.body_timeout),
        # Before the credentials: a page of somebody else learns nothing about them.
        Middleware(SenderMiddleware, settings=settings),
        # Last, because it asks the database.
        Middleware(AuthorizationMiddleware, settings=settings),
    ]


class _ControlCenter(FastAPI):
    def build_middleware_stack(self) -> ASGIApp:
        """Return the application that answers requests."""
        stack = super().build_middleware_stack()
        for layer in reversed(OUTSIDE):
            stack = layer(stack)
        return stack


def create_app(
    settings: Settings | None = None, *, background: bool = False, examples: bool = False
) -> FastAPI:
    """Return the control center for ``settings``, by default those of the environment.

    Nothing connects before a request needs it; engine and client live in the lifespan. With
    ``background`` the lifespan also does the work that goes on beside the requests, and with
    ``examples`` example modules live then. Raises `SettingsError` when the environment does not
    configure it.
    """
    settings = settings or load(Settings)
    counted = Metrics(version=VERSION)
    app = _ControlCenter(
        title="Creative Operating System: control center",
        version=VERSION,
        lifespan=lifespan,
        openapi_url=f"{ROOT}/openapi.json",
        # The pages would load scripts from somebody else's server.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=_inside(settings, counted),
        responses={
            "default": {
                "description": "A problem document (RFC 9457).",
                "content": {problems.MEDIA_TYPE: {"schema": problems.PROBLEM_SCHEMA}},
            }
        },
    )
    app.state.settings = settings
    app.state.background = background
    app.state.examples = examples
    # Set when the process was asked to end, before anything is closed.
    app.state.stopping = False
    app.state.metrics = counted
    problems.install(app)
    app.include_router(modules.router)
    app.include_router(system.router)
    app.include_router(metrics.router)
    app.include_router(events.router)
    app.include_router(dead_letters.router)
    app.include_router(login.router)
    app.include_router(pages.router)
    app.mount(STATIC.rstrip("/"), pages.FILES)
    return app
