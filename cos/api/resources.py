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
    """What lives as long as the application runs; it has no relay without its background."""

    sessions: async_sessionmaker[AsyncSession]
    readiness: Readiness
    gate: Gate
    redis_guard: Guard
    relay: Relay | None
    pages: LiveFeed
    heartbeats: Counter[str] = field(default_factory=Counter)


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
HeartbeatCounts = Annotated[Counter[str], Depends(_heartbeats)]
LivePages = Annotated[LiveFeed, Depends(_pages)]
OfflineAfter = Annotated[timedelta, Depends(_offline_after)]
ReadinessCheck = Annotated[Readiness, Depends(_readiness)]
RedisCircuit = Annotated[Circuit, Depends(_circuit)]
# Routes begin and commit themselves: a dependency would commit after the answer was sent, too late
# to say that it failed.
Transactions = Annotated[async_sessionmaker[AsyncSession], Depends(_sessions)]
