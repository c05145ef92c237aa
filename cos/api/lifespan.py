"""What is made when the application starts, what goes on beside its requests, and its end."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

from sqlalchemy.ext.asyncio import async_sessionmaker

from cos.api.access.gate import Gate
from cos.api.resources import Resources
from cos.api.sources import (
    Dependencies,
    Heartbeats,
    ModuleStates,
    Outbox,
    Pool,
    Publication,
    RedisCircuit,
)
from cos.background import Background, Job
from cos.db.engine import service_engine
from cos.db.redis_client import service_redis
from cos.events.feed import LiveFeed
from cos.events.publishing.guard import Guard
from cos.events.publishing.pruning import Pruning as EventPruning
from cos.events.relay import Relay, relay_engine
from cos.services.examples import Examples
from cos.services.health_history import Pruning as HistoryPruning
from cos.services.heartbeat_intake import HeartbeatIntake
from cos.services.readiness import Readiness, probes_of
from cos.services.watcher import Watcher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import FastAPI
    from sqlalchemy.ext.asyncio import AsyncEngine

    from cos.api.metrics import Metrics, Source
    from cos.settings import Settings

__all__ = ["lifespan"]

# Seconds; less than what the server gives to requests.
GRACE: Final = 8.0
SLACK: Final = 0.2
# Connections that the live feed and the heartbeats hold, waiting, for as long as they run: out of
# the configured pool they would leave nothing of a small one for those who ask and are answered.
WAITING: Final = 2


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Make engine and client, and dispose of them; a server that is down delays nothing."""
    settings: Settings = app.state.settings
    async with AsyncExitStack() as stack:
        engine = service_engine(settings)
        stack.push_async_callback(engine.dispose)
        redis = service_redis(settings)
        stack.push_async_callback(redis.aclose)
        waiting = service_redis(settings.model_copy(update={"redis_pool_size": WAITING}))
        stack.push_async_callback(waiting.aclose)
        readiness = Readiness(probes_of(engine, redis), timeout=settings.ready_timeout)
        stack.push_async_callback(readiness.aclose)
        guard, relay = Guard("redis"), None
        if app.state.background:
            events_engine = relay_engine(settings)
            stack.push_async_callback(events_engine.dispose)
            relay = Relay(events_engine, redis, guard, settings)
        resources = Resources(
            sessions=async_sessionmaker(engine, expire_on_commit=False),
            autocommit_sessions=async_sessionmaker(
                engine.execution_options(isolation_level="AUTOCOMMIT"), expire_on_commit=False
            ),
            readiness=readiness,
            gate=Gate(),
            redis_guard=guard,
            relay=relay,
            pages=LiveFeed(waiting),
        )
        app.state.resources = resources
        intake = HeartbeatIntake(
            resources.sessions,
            waiting,
            offline_after=settings.offline_after,
            redis_timeout=settings.redis_timeout,
        )
        metrics: Metrics = app.state.metrics
        stack.push_async_callback(metrics.aclose)
        sources = _sources(settings, engine, resources, intake)
        # The dependencies answer within their own time, and that they do not is told then.
        stack.enter_context(metrics.asking(sources, timeout=settings.ready_timeout + SLACK))
        if relay is not None:
            jobs = _jobs(settings, resources, relay, intake)
            if app.state.examples:
                jobs["examples"] = Examples(resources.sessions).run
            await stack.enter_async_context(Background(jobs, grace=GRACE))
        yield


def _sources(
    settings: Settings, engine: AsyncEngine, resources: Resources, intake: HeartbeatIntake
) -> dict[str, Source]:
    """Return where metrics come from, by name, a row for each."""
    sessions = resources.sessions
    return {
        "dependencies": Dependencies(resources.readiness),
        "pool": Pool(engine),
        "outbox": Outbox(sessions),
        "publication": Publication(resources.relay),
        "circuit": RedisCircuit(resources.redis_guard),
        "modules": ModuleStates(sessions, offline_after=settings.offline_after),
        "heartbeats": Heartbeats({"http": resources.heartbeats, "redis": intake.outcomes}),
    }


def _jobs(
    settings: Settings, resources: Resources, relay: Relay, intake: HeartbeatIntake
) -> dict[str, Job]:
    """Return what goes on beside the requests, by name, a row for each."""
    sessions = resources.sessions
    watcher = Watcher(
        sessions, offline_after=settings.offline_after, interval=settings.watch_interval
    )
    return {
        "relay": relay.run,
        "live feed": resources.pages.run,
        "heartbeats over Redis": intake.run,
        "watch over modules": watcher.run,
        "pruning of events": EventPruning(sessions, retention=settings.event_retention).run,
        "pruning of the history": HistoryPruning(sessions, retention=settings.health_retention).run,
    }
