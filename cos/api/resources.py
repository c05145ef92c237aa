"""What every route may ask for: settings, transactions, the clock and the readiness check.

And what goes on beside the routes: the table of jobs.
"""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import Depends, FastAPI, Request
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cos.api.sources import Dependencies, Heartbeats, ModuleStates, Outbox, Pool
from cos.background import Background, Job
from cos.db.engine import service_engine
from cos.db.redis_client import service_redis
from cos.services.health_history import Pruning
from cos.services.heartbeat_intake import HeartbeatIntake
from cos.services.readiness import Readiness, probes_of
from cos.services.watcher import Watcher
from cos.settings import Settings

if TYPE_CHECKING:
    from cos.api.metrics import Metrics, Source

__all__ = [
    "CurrentSettings",
    "CurrentTime",
    "HeartbeatCounts",
    "OfflineAfter",
    "ReadinessCheck",
    "Resources",
    "Transactions",
    "current_time",
    "lifespan",
]


@dataclass(frozen=True, slots=True)
class Resources:
    """What lives as long as the application runs."""

    sessions: async_sessionmaker[AsyncSession]
    readiness: Readiness
    heartbeats: Counter[str]


# Seconds; less than what the server gives to requests.
GRACE: Final = 8.0
SLACK: Final = 0.2


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Make engine and client, and dispose of them; a server that is down delays nothing."""
    settings: Settings = app.state.settings
    async with AsyncExitStack() as stack:
        engine = service_engine(settings)
        stack.push_async_callback(engine.dispose)
        redis = service_redis(settings)
        stack.push_async_callback(redis.aclose)
        readiness = Readiness(probes_of(engine, redis), timeout=settings.ready_timeout)
        stack.push_async_callback(readiness.aclose)
        sessions = async_sessionmaker(engine, expire_on_commit=False)
        intake = HeartbeatIntake(
            sessions,
            redis,
            offline_after=settings.offline_after,
            redis_timeout=settings.redis_timeout,
        )
        heartbeats: Counter[str] = Counter()
        app.state.resources = Resources(sessions, readiness, heartbeats)
        sources: dict[str, Source] = {  # by name, a row for each
            "dependencies": Dependencies(readiness),
            "pool": Pool(engine),
            "outbox": Outbox(sessions),
            "modules": ModuleStates(sessions, offline_after=settings.offline_after),
            "heartbeats": Heartbeats({"http": heartbeats, "redis": intake.outcomes}),
        }
        metrics: Metrics = app.state.metrics
        stack.push_async_callback(metrics.aclose)
        # The dependencies answer within their own time, and that they do not is told then.
        stack.enter_context(metrics.asking(sources, timeout=settings.ready_timeout + SLACK))
        if app.state.background:
            jobs: dict[str, Job] = {  # by name, a row for each
                "heartbeats over Redis": intake.run,
                "watch over modules": Watcher(
                    sessions,
                    offline_after=settings.offline_after,
                    interval=settings.watch_interval,
                ).run,
                "pruning of the history": Pruning(
                    sessions, retention=settings.health_retention
                ).run,
            }
            await stack.enter_async_context(Background(jobs, grace=GRACE))
        yield


def _resources(request: Request) -> Resources:
    resources: Resources = request.app.state.resources
    return resources


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def _sessions(request: Request) -> async_sessionmaker[AsyncSession]:
    return _resources(request).sessions


def _readiness(request: Request) -> Readiness:
    return _resources(request).readiness


def _heartbeats(request: Request) -> Counter[str]:
    return _resources(request).heartbeats


def _offline_after(request: Request) -> timedelta:
    return timedelta(seconds=_settings(request).offline_after)


def current_time() -> datetime | None:
    """Return the time to judge by; None is the database's clock. Override it to travel in time."""
    return None


CurrentSettings = Annotated[Settings, Depends(_settings)]
CurrentTime = Annotated[datetime | None, Depends(current_time)]
HeartbeatCounts = Annotated[Counter[str], Depends(_heartbeats)]
OfflineAfter = Annotated[timedelta, Depends(_offline_after)]
ReadinessCheck = Annotated[Readiness, Depends(_readiness)]
# Routes begin and commit themselves: a dependency would commit after the answer was sent, too late
# to say that it failed.
Transactions = Annotated[async_sessionmaker[AsyncSession], Depends(_sessions)]
