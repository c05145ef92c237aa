"""The sources of metrics that the control center has itself."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from cos.db.measured_pool import MeasuredPool
from cos.services import health
from cos.services.backlog import COUNTED_AT_MOST, backlog
from cos.services.readiness import Readiness

__all__ = ["Dependencies", "Heartbeats", "ModuleStates", "Outbox", "Pool"]


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
            found = await backlog(session)
        return [
            GaugeMetricFamily(
                "cos_outbox_events",
                f"Events that are committed and not published, counted up to {COUNTED_AT_MOST}.",
                found.events,
            ),
            GaugeMetricFamily(
                "cos_outbox_oldest_age_seconds",
                "Age of the oldest event that is not published; 0 without one.",
                found.oldest,
            ),
        ]


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
