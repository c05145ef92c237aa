"""From the commit of a change to those who follow: milliseconds, by how many changes a second.

    testkit run -- python benchmarks/cos_events.py [--seconds 20] [--rates 100,250,500]

Three processes beside Postgres and Redis: a served control center, whose relay publishes; this
one, which reads the streams and has a subscriber (a transaction for each event); and one that
writes: through the services, or over HTTP. The clock starts just before the commit, over HTTP just
before the request is sent: upper bounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from typing import Final
from uuid import UUID

from cos_http import Connection, served
from measure import machine
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import async_sessionmaker

from cos.db.engine import service_engine
from cos.db.redis_client import service_redis
from cos.events.event import PARTITIONS, stream_name
from cos.events.subscriber import Delivery, Subscriber, SubscriberSettings
from cos.services import modules
from cos.services.modules import NewModule
from cos.settings import Settings, load

WRITERS: Final = 4
MODULES: Final = 50


class Timing(Subscriber):
    """Notes when each event arrived."""

    group = "benchmark"
    settings = SubscriberSettings(concurrency=8)
    arrived: dict[str, float]

    async def handle(self, delivery: Delivery) -> None:
        """Note the time."""
        version = delivery.event.payload.get("version", "")
        self.arrived.setdefault(version, time.time())


async def _read(redis: Redis, arrived: dict[str, float]) -> None:
    reached = {stream_name(number): "$" for number in range(PARTITIONS)}
    while True:
        for stream, entries in await redis.xread(reached, count=500, block=1_000):
            now = time.time()
            reached[stream.decode()] = entries[-1][0]
            for _, fields in entries:
                version = json.loads(fields[b"payload"]).get("version", "")
                arrived.setdefault(version, now)


async def _write(rate: float, seconds: float, port: int) -> None:
    """Be the process that writes: print each change's time as JSON, a line at the end."""
    times: dict[str, float] = {}
    settings = load(Settings)
    engine = service_engine(settings)
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    label = time.time_ns()
    ids: list[UUID] = []
    for number in range(MODULES):
        async with sessions.begin() as session:
            made = await modules.register(session, NewModule(f"events-{label}-{number}", "0"))
            ids.append(made.id)
    began = time.perf_counter()

    async def writer(first: int) -> None:
        number = first
        async with Connection(port) if port else _nothing() as connection:
            while (due := number / rate) < seconds:
                await asyncio.sleep(max(0.0, began + due - time.perf_counter()))
                version, module_id = f"{label % 10**9}-{number}", ids[number % MODULES]
                if connection is not None:
                    times[version] = time.time()
                    body = json.dumps({"version": version})
                    await connection.ask("PATCH", f"/cc/modules/{module_id}", body)
                else:
                    async with sessions() as session:
                        await modules.change(session, module_id, {"version": version})
                        times[version] = time.time()
                        await session.commit()
                number += WRITERS

    await asyncio.gather(*map(writer, range(WRITERS)))
    took = time.perf_counter() - began
    await engine.dispose()
    print(json.dumps({"times": times, "seconds": took}))


class _nothing:
    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, *_: object) -> None:
        return None


def _row(name: str, rate: float, times: dict[str, float], arrived: dict[str, float]) -> str:
    waits = sorted((arrived[key] - at) * 1e3 for key, at in times.items() if key in arrived)
    shares = [waits[int(len(waits) * share)] for share in (0.5, 0.95, 0.99)]
    cells = " | ".join(f"{value:.1f}" for value in (*shares, waits[-1]))
    lost = len(times) - len(waits)
    return f"| {name} | {rate:.0f} | {cells} | {len(waits):,} | {lost} |"


async def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=20)
    options.add_argument("--rates", default="100,250,500")
    options.add_argument("--write", nargs=2, type=float, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.write:
        await _write(given.write[0], given.seconds, int(given.write[1]))
        return
    settings = load(Settings)
    engine, redis = service_engine(settings), service_redis(settings)
    print("| who, and how it was written | changes/s | p50 | p95 | p99 | most | seen | lost |")
    print("|---|---|---|---|---|---|---|---|")
    with served() as port:
        for rate in map(float, given.rates.split(",")):
            for way, written in ((0, "services"), (port, "HTTP")):
                streamed: dict[str, float] = {}
                subscriber = Timing(async_sessionmaker(engine), redis)
                subscriber.arrived = {}
                stop = asyncio.Event()
                tasks = [asyncio.create_task(subscriber.run(stop))]
                tasks.append(asyncio.create_task(_read(redis, streamed)))
                await subscriber.ready.wait()
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    __file__,
                    f"--seconds={given.seconds}",
                    "--write",
                    str(rate),
                    str(way),
                    stdout=asyncio.subprocess.PIPE,
                )
                told, _ = await process.communicate()
                found = json.loads(told)
                deadline = time.time() + 60
                while time.time() < deadline and not found["times"].keys() <= (
                    subscriber.arrived.keys() & streamed.keys()
                ):
                    await asyncio.sleep(0.1)
                stop.set()
                tasks[1].cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                reached = len(found["times"]) / found["seconds"]
                print(_row(f"stream, {written}", reached, found["times"], streamed))
                print(_row(f"subscriber, {written}", reached, found["times"], subscriber.arrived))
    await redis.aclose()
    await engine.dispose()
    print(f"\n{machine()}")


if __name__ == "__main__":
    asyncio.run(main())
