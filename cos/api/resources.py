"""What every route may ask for: settings, transactions, the clock and the readiness check."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cos.api.access.gate import Gate
from cos.events.feed import LiveFeed
from cos.events.publishing.guard import Circuit, Guard
from cos.events.relay import Relay
from cos.services.readiness import Readiness
from cos.settings import Settings

__all__ = [
    "Autocommit",
    "CurrentGate",
    "CurrentSettings",
    "CurrentTime",
    "HeartbeatCounts",
    "LivePages",
    "OfflineAfter",
    "ReadinessCheck",
    "RedisCircuit",
    "Resources",
    "Transactions",
    "current_time",
]


@dataclass(frozen=True, slots=True)
class Resources:
    """What lives as long as the application runs; it has no relay without its background.

    In ``autocommit_sessions``, on the same pool, each statement stands for itself: where there is
    only one, begin and commit would be two round trips more.
    """

    sessions: async_sessionmaker[AsyncSession]
    autocommit_sessions: async_sessionmaker[AsyncSession]
    readiness: Readiness
    gate: Gate
    redis_guard: Guard
    relay: Relay | None
    pages: LiveFeed
    heartbeats: Counter[str] = field(default_factory=Counter)


# The functions below are coroutines though they wait for nothing: FastAPI sends any other to a
# thread, and a request had four of these.
def _resources(request: Request) -> Resources:
    resources: Resources = request.app.state.resources
    return resources


async def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


async def _sessions(request: Request) -> async_sessionmaker[AsyncSession]:
    return _resources(request).sessions


async def _autocommit_sessions(request: Request) -> async_sessionmaker[AsyncSession]:
    return _resources(request).autocommit_sessions


async def _readiness(request: Request) -> Readiness:
    return _resources(request).readiness


async def _heartbeats(request: Request) -> Counter[str]:
    return _resources(request).heartbeats


async def _gate(request: Request) -> Gate:
    return _resources(request).gate


async def _offline_after(request: Request) -> timedelta:
    settings = await _settings(request)
    return timedelta(seconds=settings.offline_after)


async def current_time() -> datetime | None:
    """Return the time to judge by; None is the database's clock. Override it to travel in time."""
    return None


async def _circuit(request: Request) -> Circuit:
    return _resources(request).redis_guard.circuit


async def _pages(request: Request) -> LiveFeed:
    return _resources(request).pages


# For what takes a single statement.
Autocommit = Annotated[async_sessionmaker[AsyncSession], Depends(_autocommit_sessions)]
CurrentGate = Annotated[Gate, Depends(_gate)]
CurrentSettings = Annotated[Settings, Depends(_settings)]
CurrentTime = Annotated[datetime | None, Depends(current_time)]
HeartbeatCounts = Annotated[Counter[str], Depends(_heartbeats)]
LivePages = Annotated[LiveFeed, Depends(_pages)]
OfflineAfter = Annotated[timedelta, Depends(_offline_after)]
ReadinessCheck = Annotated[Readiness, Depends(_readiness)]
RedisCircuit = Annotated[Circuit, Depends(_circuit)]
# Routes begin and commit themselves: a dependency would commit after the answer was sent, too late
# to say that it failed.
Transactions = Annotated[async_sessionmaker[AsyncSession], Depends(_sessions)]
