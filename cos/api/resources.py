"""What every route may ask for: settings, transactions, the clock and the readiness check.

And what goes on beside the routes: the table of jobs.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final

from fastapi import Depends, FastAPI, Request
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cos.api.access.gate import Gate
from cos.background import Background, Job
from cos.db.engine import service_engine
from cos.db.redis_client import service_redis
from cos.events.feed import LiveFeed
from cos.events.guard import Circuit, Guard
from cos.events.pruning import Pruning as EventPruning
from cos.events.relay import Relay, relay_engine
from cos.services.health_history import Pruning as HistoryPruning
from cos.services.readiness import Readiness, probes_of
from cos.services.watcher import Watcher
from cos.settings import Settings

__all__ = [
    "CurrentGate",
    "CurrentSettings",
    "CurrentTime",
    "LivePages",
    "OfflineAfter",
    "ReadinessCheck",
    "RedisCircuit",
    "Resources",
    "Transactions",
    "current_time",
    "lifespan",
]


@dataclass(frozen=True, slots=True)
class Resources:
    """What lives as long as the application runs; it has no relay without its background."""

    sessions: async_sessionmaker[AsyncSession]
    readiness: Readiness
    gate: Gate
    redis_guard: Guard
    relay: Relay | None
    pages: LiveFeed


# Seconds; less than what the server gives to requests.
GRACE: Final = 8.0


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
        guard, relay = Guard("redis"), None
        if app.state.background:
            events_engine = relay_engine(settings)
            stack.push_async_callback(events_engine.dispose)
            relay = Relay(events_engine, redis, guard, settings)
        pages = LiveFeed(redis)
        app.state.resources = Resources(sessions, readiness, Gate(), guard, relay, pages)
        if relay is not None:
            jobs: dict[str, Job] = {  # by name, a row for each
                "relay": relay.run,
                "live feed": pages.run,
                "pruning of events": EventPruning(sessions, retention=settings.event_retention).run,
                "watch over modules": Watcher(
                    sessions,
                    offline_after=settings.offline_after,
                    interval=settings.watch_interval,
                ).run,
                "pruning of the history": HistoryPruning(
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


def _gate(request: Request) -> Gate:
    return _resources(request).gate


def _offline_after(request: Request) -> timedelta:
    return timedelta(seconds=_settings(request).offline_after)


def current_time() -> datetime | None:
    """Return the time to judge by; None is the database's clock. Override it to travel in time."""
    return None


def _circuit(request: Request) -> Circuit:
    return _resources(request).redis_guard.circuit


def _pages(request: Request) -> LiveFeed:
    return _resources(request).pages


CurrentGate = Annotated[Gate, Depends(_gate)]
CurrentSettings = Annotated[Settings, Depends(_settings)]
CurrentTime = Annotated[datetime | None, Depends(current_time)]
LivePages = Annotated[LiveFeed, Depends(_pages)]
OfflineAfter = Annotated[timedelta, Depends(_offline_after)]
ReadinessCheck = Annotated[Readiness, Depends(_readiness)]
RedisCircuit = Annotated[Circuit, Depends(_circuit)]
# Routes begin and commit themselves: a dependency would commit after the answer was sent, too late
# to say that it failed.
Transactions = Annotated[async_sessionmaker[AsyncSession], Depends(_sessions)]
