"""The sources of metrics that the control center has itself."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from cos.db.measured_pool import MeasuredPool
from cos.events.publishing.backlog import COUNTED, measure
from cos.events.publishing.guard import Guard
from cos.events.relay import Relay
from cos.services import health
from cos.services.readiness import Readiness

__all__ = [
    "Dependencies",
    "Heartbeats",
    "ModuleStates",
    "Outbox",
    "Pool",
    "Publication",
    "RedisCircuit",
]


class Dependencies:
    """Which dependencies answer."""

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness

    async def collect(self) -> Iterable[Metric]:
        """Return ``cos_up``: 1 or 0 for each dependency."""
        up = GaugeMetricFamily("cos_up", "1 where the dependency answers.", labels=["dependency"])
        for name, found in (await self._readiness.check()).items():
            up.add_metric([name], float(found.state == "up"))
        return [up]


class Pool:
    """The connections to the database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def collect(self) -> Iterable[Metric]:
        """Return how many connections there may be, are in use, and are waited for."""
        pool = self._engine.pool
        assert isinstance(pool, MeasuredPool)
        return [
            GaugeMetricFamily("cos_database_pool_size", "Connections at most.", pool.size()),
            GaugeMetricFamily("cos_database_pool_in_use", "Connections in use.", pool.checkedout()),
            GaugeMetricFamily(
                "cos_database_pool_waiting",
                "Who is being given a connection, or waits for one.",
                pool.acquiring,
            ),
        ]


class Outbox:
    """The events that wait to be published."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        self._sessions = sessions

    async def collect(self) -> Iterable[Metric]:
        """Return how many there are, and the age of the oldest."""
        async with self._sessions.begin() as session:
            found = await measure(session)
        return [
            GaugeMetricFamily(
                "cos_outbox_events",
                f"Events that are committed and not published, counted up to {COUNTED}.",
                found.count,
            ),
            GaugeMetricFamily(
                "cos_outbox_oldest_age_seconds",
                "Age of the oldest event that is not published; 0 without one.",
                found.oldest,
            ),
        ]


class Publication:
    """What this process published; nothing without its background."""

    def __init__(self, relay: Relay | None) -> None:
        self._relay = relay

    async def collect(self) -> Iterable[Metric]:
        """Return how many events went to Redis, and how many of them again."""
        if self._relay is None:
            return []
        facts = self._relay.facts
        return [
            CounterMetricFamily(
                "cos_events_published", "Events that this process published.", facts.published
            ),
            CounterMetricFamily(
                "cos_events_republished",
                "Events that this process publishes again, because Redis had lost them.",
                facts.republished,
            ),
        ]


class RedisCircuit:
    """The circuit breaker around Redis."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def collect(self) -> Iterable[Metric]:
        """Return its state, and what it counted since the start of this process."""
        circuit = self._guard.circuit
        state = GaugeMetricFamily(
            "cos_redis_circuit", "1 for the state that the circuit is in.", labels=["state"]
        )
        for name in ("closed", "half-open", "open"):
            state.add_metric([name], float(circuit.state == name))
        calls = CounterMetricFamily(
            "cos_redis_circuit_calls", "Calls that failed or were not made.", labels=["outcome"]
        )
        calls.add_metric(["failed"], circuit.failures)
        calls.add_metric(["rejected"], circuit.rejected)
        opened = CounterMetricFamily(
            "cos_redis_circuit_opened", "How often the circuit opened.", circuit.opened
        )
        return [state, calls, opened]


class ModuleStates:
    """The health of the active modules."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession], *, offline_after: float) -> None:
        self._sessions = sessions
        self._offline_after = timedelta(seconds=offline_after)

    async def collect(self) -> Iterable[Metric]:
        """Return how many active modules are in each state."""
        async with self._sessions.begin() as session:
            found = await health.of_system(session, offline_after=self._offline_after)
        states = GaugeMetricFamily(
            "cos_modules", "Active modules by the state of their health.", labels=["state"]
        )
        for state, modules in found.modules.items():
            states.add_metric([state.value], modules)
        return [states]


class Heartbeats:
    """The heartbeats that came, by the way on which they came."""

    def __init__(self, counts: Mapping[str, Counter[str]]) -> None:
        self._counts = counts

    async def collect(self) -> Iterable[Metric]:
        """Return how many were stored, malformed, or of a module that does not exist."""
        total = CounterMetricFamily(
            "cos_heartbeats",
            "Heartbeats since the start of this process.",
            labels=["source", "outcome"],
        )
        for source, outcomes in self._counts.items():
            for outcome, heartbeats in outcomes.items():
                total.add_metric([source, outcome], heartbeats)
        return [total]
