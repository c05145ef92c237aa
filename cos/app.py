"""The application."""

from typing import Final

from fastapi import FastAPI

from cos.api import ROOT, metrics, modules, problems, system
from cos.api.bearer_token import BearerTokenMiddleware
from cos.api.metrics import Metrics
from cos.api.request_id import RequestIdMiddleware
from cos.api.request_metrics import RequestMetricsMiddleware
from cos.api.resources import lifespan
from cos.settings import Settings, load

__all__ = ["create_app"]

VERSION: Final = "0.1.0"


def create_app(settings: Settings | None = None, *, background: bool = False) -> FastAPI:
    """Return the control center for ``settings``, by default those of the environment.

    Nothing connects before a request needs it; engine and client live in the lifespan. With
    ``background`` the lifespan also does the work that goes on beside the requests. Raises
    `SettingsError` when the environment does not configure it.
    """
    settings = settings or load(Settings)
    app = FastAPI(
        title="Creative Operating System: control center",
        version=VERSION,
        lifespan=lifespan,
        openapi_url=f"{ROOT}/openapi.json",
        # The pages would load scripts from somebody else's server.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses={
            "default": {
                "description": "A problem document (RFC 9457).",
                "content": {problems.MEDIA_TYPE: {"schema": problems.PROBLEM_SCHEMA}},
            }
        },
    )
    app.state.settings = settings
    app.state.background = background
    # Set when the process was asked to end, before anything is closed.
    app.state.stopping = False
    app.state.metrics = Metrics(version=VERSION)
    problems.install(app)
    if settings.api_token is not None:
        app.add_middleware(BearerTokenMiddleware, token=settings.api_token)
    # Added last, they stand outside: a 401 carries the id and is counted too.
    app.add_middleware(RequestIdMiddleware)
    app.add_middleware(RequestMetricsMiddleware, registry=app.state.metrics.registry)
    app.include_router(modules.router)
    app.include_router(system.router)
    app.include_router(metrics.router)
    return app
