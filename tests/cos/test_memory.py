"""The memory of a served control center, under load for minutes."""

import asyncio
import itertools
import statistics
import sys
from pathlib import Path

import pytest
from httpx import AsyncClient

from cos.models import HealthState
from tests.cos.commands import serving
from tests.cos.factories import ModuleFactory
from tests.support.processes import LINUX

SECONDS = 600.0
CLIENTS = 4
# Of the last quarter against the second; a leak of one kilobyte a request would be half of it.
GROWTH = 1.05


def _resident(pid: int) -> int:
    """Return the resident memory of a process, in kB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError(f"{pid} has no memory")


@LINUX
@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.timeout(SECONDS + 120)
async def test_memory_stays_as_it_is() -> None:
    ids = [ModuleFactory.create().id for _ in range(50)]
    samples: list[int] = []
    counted = itertools.count()
    clock = asyncio.get_running_loop().time

    async def load(client: AsyncClient, end: float) -> None:
        while clock() < end:
            number = next(counted)
            place = f"/cc/modules/{ids[number % len(ids)]}"
            states = (HealthState.HEALTHY, HealthState.DEGRADED)
            beat = {"status": states[number // len(ids) % 2], "details": {"number": number}}
            for answer in (
                await client.post(f"{place}/heartbeat", json=beat),
                await client.patch(place, json={"version": f"1.{number}"}),
                await client.get("/cc/modules", params={"limit": 20}),
                await client.get("/board/events"),
                await client.get("/metrics"),
            ):
                assert answer.status_code == 200, answer.text

    # Nobody reads what it logs: a full pipe would hold it up.
    with serving(COS_LOG_LEVEL="warning") as served:
        async with AsyncClient(base_url=served.url, timeout=30) as client:
            end = clock() + SECONDS
            loading = asyncio.gather(*(load(client, end) for _ in range(CLIENTS)))
            while not loading.done():
                samples.append(_resident(served.process.pid))
                await asyncio.wait([loading], timeout=2)
            await loading
        code = served.stop()
    quarter = len(samples) // 4
    early = statistics.median(samples[quarter : 2 * quarter])
    late = statistics.median(samples[-quarter:])
    sys.stdout.write(f"{next(counted)} rounds; {samples[0]}, {early:.0f}, {late:.0f} kB\n")

    assert code == 0
    assert late <= GROWTH * early
