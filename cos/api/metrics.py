"""``/metrics``: figures for Prometheus, and the place where every part adds its own."""

import asyncio
import logging
import platform
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Protocol

from fastapi import APIRouter, Request
from prometheus_client import CollectorRegistry, Info, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from starlette.responses import Response

__all__ = ["Metrics", "Source", "router"]

LOGGER: Final = logging.getLogger(__name__)

router = APIRouter(tags=["metrics"])


class Source(Protocol):
    """A part with figures that are looked up when they are asked for."""

    async def collect(self) -> Iterable[Metric]:
        """Return the families of metrics; what is raised leaves them out and is logged."""


class _Families:
    """What was found, in the form that the encoders read."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


class Metrics:
    """The metrics of one application.

    What counts by itself registers with ``registry``. What has to be looked up is a `Source`; all
    sources are asked at once, and those that do not answer in time are left out.
    """

    def __init__(self, *, version: str) -> None:
        self.registry = CollectorRegistry()
        self._sources: dict[str, Source] = {}
        self._timeout = 1.0
        self._late: set[asyncio.Task[list[Metric] | None]] = set()
        Info("cos_build", "The running service.", registry=self.registry).info(
            {"version": version, "python": platform.python_version()}
        )

    @contextmanager
    def asking(self, sources: Mapping[str, Source], *, timeout: float) -> Iterator[None]:
        """Ask these sources, by name, while the context lasts; ``timeout`` is in seconds."""
        self._sources, self._timeout = dict(sources), timeout
        try:
            yield
        finally:
            self._sources = {}

    async def aclose(self) -> None:
        """Wait for the end of sources that were given up on; they are bounded by the drivers."""
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)

    async def scrape(self, accept: str) -> tuple[bytes, str]:
        """Return the metrics and their media type, in a form that ``accept`` names; never fail."""
        encode, media_type = choose_encoder(accept)
        families = [*self.registry.collect(), *await self._looked_up()]
        return encode(_Families(families)), media_type

    async def _looked_up(self) -> list[Metric]:
        failed = GaugeMetricFamily(
            "cos_source_failed", "1 where figures are missing from this answer.", labels=["source"]
        )
        tasks = {
            name: asyncio.create_task(_collect(name, source))
            for name, source in self._sources.items()
        }
        if tasks:
            await asyncio.wait(tasks.values(), timeout=self._timeout)
        families: list[Metric] = [failed]
        for name, task in tasks.items():
            found = self._answer(task)
            failed.add_metric([name], float(found is None))
            families += found or []
        return families

    def _answer(self, task: asyncio.Task[list[Metric] | None]) -> list[Metric] | None:
        if task.done():
            return task.result()
        # Not awaited: a driver that is cancelled first tries to cancel on the silent server too.
        task.cancel()
        self._late.add(task)
        task.add_done_callback(self._late.discard)
        return None


async def _collect(name: str, source: Source) -> list[Metric] | None:
    try:
        return list(await source.collect())
    except Exception as error:  # noqa: BLE001 - whatever one part does, the others are told
        LOGGER.warning("no metrics of %s: %s: %s", name, type(error).__name__, error)
        return None


@router.get("/metrics", include_in_schema=False)
async def read_metrics(request: Request) -> Response:
    """Return the figures of this process."""
    metrics: Metrics = request.app.state.metrics
    body, media_type = await metrics.scrape(request.headers.get("Accept", ""))
    return Response(body, headers={"Content-Type": media_type})
