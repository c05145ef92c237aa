"""The health of the system, of this process and of what it depends on, and its configuration."""

from dataclasses import asdict
from http import HTTPStatus
from typing import Literal

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from cos.api import ROOT
from cos.api.access.authorization import HOLDER
from cos.api.problems import problem
from cos.api.resources import (
    CurrentSettings,
    CurrentTime,
    OfflineAfter,
    ReadinessCheck,
    Transactions,
)
from cos.api.schemas import ConfigOut, SystemHealthOut
from cos.services import health
from cos.services.access.holder import NOBODY
from cos.services.readiness import lacking

__all__ = ["router"]

router = APIRouter(prefix=ROOT, tags=["system"])


@router.get("/system/health")
async def read_system_health(
    transactions: Transactions, now: CurrentTime, offline_after: OfflineAfter
) -> SystemHealthOut:
    """Return the health of all active modules, rolled up."""
    async with transactions.begin() as session:
        return SystemHealthOut.model_validate(
            await health.of_system(session, offline_after=offline_after, now=now)
        )


@router.get("/config")
async def read_config(request: Request, settings: CurrentSettings) -> ConfigOut:
    """Return the settings that are no secret."""
    return ConfigOut(
        database=settings.database_address,
        redis=settings.redis_address,
        authorization="none" if getattr(request.state, HOLDER) == NOBODY else "bearer token",
        **settings.model_dump(exclude={"database_url", "redis_url", "api_token"}),
    )


@router.get("/health/live")
async def live() -> dict[Literal["status"], Literal["alive"]]:
    """Answer as long as the process does."""
    return {"status": "alive"}


@router.get("/health/ready")
async def ready(request: Request, readiness: ReadinessCheck) -> Response:
    """Name each dependency and its state; 503 when nothing can be served, or this process ends.

    Without Redis the service is degraded and ready: what it is told is stored, and its events are
    published later.
    """
    if request.app.state.stopping:
        return problem(
            request.scope,
            HTTPStatus.SERVICE_UNAVAILABLE,
            "This process is about to end. Ask another one.",
            kind=("stopping", "Stopping"),
        )
    found = await readiness.check()
    states = {
        name: {key: value for key, value in asdict(dependency).items() if value is not None}
        for name, dependency in found.items()
    }
    if missing := lacking(found):
        return problem(
            request.scope,
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"Not ready, because of: {', '.join(missing)}. `dependencies` has the reasons.",
            kind=("not-ready", "Not ready"),
            dependencies=states,
        )
    all_up = all(dependency.state == "up" for dependency in found.values())
    return JSONResponse({"status": "ready" if all_up else "degraded", "dependencies": states})
