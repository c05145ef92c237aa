"""From the commit of a change to those who follow: milliseconds, by how many changes a second.

    testkit run -- python benchmarks/cos_events.py [--seconds 20] [--rates 100,250,500]

Four processes beside Postgres and Redis, as there would be: a served control center, whose relay
publishes; one that reads the streams; one with a subscriber (a transaction for each event); and one
that writes, with four tasks: through the services, or over HTTP. The clock starts just before the
commit, over HTTP just before the request is sent: upper bounds. What is written in the first second
counts for nothing. Where the column "changes/s" falls short of "wanted", the machine was full.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any, Final

from cos_http import Connection, served
from measure import machine
from sqlalchemy.ext.asyncio import async_sessionmaker

from cos.db.engine import service_engine
from cos.db.redis_client import service_redis
from cos.events.event import PARTITIONS, stream_name
from cos.events.subscriber import Delivery, Subscriber, SubscriberSettings
from cos.services import modules
from cos.services.modules import NewModule
from cos.settings import Settings, load

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from uuid import UUID

WRITERS: Final = 4
MODULES: Final = 50
# Of the subscriber: on a full machine an event waits for its turn at each of its round trips.
CONCURRENCY: Final = 16
WARM_UP: Final = 1.0
# Seconds after the last change.
PATIENCE: Final = 60.0
FOLLOWERS: Final = ("stream", "subscriber")


class Timing(Subscriber):
    """Notes when each event arrived."""

    group = f"benchmark-{time.time_ns()}"
    default_settings = SubscriberSettings(concurrency=CONCURRENCY)
    arrived: dict[str, float]

    async def handle(self, delivery: Delivery) -> None:
        """Note the time."""
        version = delivery.event.payload.get("version", "")
        self.arrived.setdefault(version, time.time())


async def _reached(redis: Any) -> dict[str, str]:
    """Return where each stream ends: ``$`` would mean something else at each call."""
    ends = {}
    for name in map(stream_name, range(PARTITIONS)):
        newest = await redis.xrevrange(name, count=1)
        ends[name] = newest[0][0].decode() if newest else "0-0"
    return ends


async def _read(redis: Any, reached: dict[str, str], arrived: dict[str, float]) -> None:
    """Note when each change stood in its stream; ``redis`` is Any as its answers are."""
    while True:
        given = await redis.xread(dict(reached), count=500, block=1_000)
        now = time.time()
        for stream, entries in given:
            reached[stream.decode()] = entries[-1][0].decode()
            for _, fields in entries:
                version = json.loads(fields[b"payload"]).get("version", "")
                arrived.setdefault(version, now)


async def _follow(who: str) -> None:
    """Be a process that follows: say that it does; when told what was written, say when it came."""
    settings = load(Settings)
    wider = settings.model_copy(update={"database_pool_size": CONCURRENCY + 2})
    engine, redis = service_engine(wider), service_redis(settings)
    subscriber, stop = Timing(async_sessionmaker(engine), redis), asyncio.Event()
    arrived: dict[str, float] = {}
    subscriber.arrived = arrived
    if who == "stream":
        task = asyncio.create_task(_read(redis, await _reached(redis), arrived))
    else:
        task = asyncio.create_task(subscriber.run(stop))
        await subscriber.ready.wait()
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    written = set(json.loads(await loop.run_in_executor(None, sys.stdin.readline)))
    deadline = time.time() + PATIENCE
    while time.time() < deadline and not (task.done() or arrived.keys() >= written):  # noqa: ASYNC110 - any event
        await asyncio.sleep(0.1)
    stop.set()
    if who == "stream":
        task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await redis.aclose()
    await engine.dispose()
    print(json.dumps(arrived))


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
        async with Connection(port) if port else nullcontext() as connection:
            while (due := number / rate) < seconds + WARM_UP:
                await asyncio.sleep(max(0.0, began + due - time.perf_counter()))
                version, module_id = f"{label % 10**9}-{number}", ids[number % MODULES]
                if connection is not None:
                    at = time.time()
                    body = json.dumps({"version": version})
                    status, answer = await connection.ask("PATCH", f"/cc/modules/{module_id}", body)
                    if status >= 300:
                        raise RuntimeError(f"{status}: {answer.decode()}")
                else:
                    async with sessions() as session:
                        await modules.change(session, module_id, {"version": version})
                        at = time.time()
                        await session.commit()
                if due >= WARM_UP:
                    times[version] = at
                number += WRITERS

    await asyncio.gather(*map(writer, range(WRITERS)))
    await engine.dispose()
    print(json.dumps(times))


def _row(name: str, wanted: float, times: dict[str, float], arrived: dict[str, float]) -> str:
    waits = sorted((arrived[key] - at) * 1e3 for key, at in times.items() if key in arrived)
    lost = len(times) - len(waits)
    reached = (len(times) - 1) / (max(times.values()) - min(times.values()))
    shares = [waits[int(len(waits) * share)] for share in (0.5, 0.95, 0.99)]
    cells = " | ".join(f"{value:.1f}" for value in (*shares, waits[-1]))
    return f"| {name} | {wanted:.0f} | {reached:.0f} | {cells} | {len(waits):,} | {lost} |"


async def _started(*arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        __file__,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        # Of a line, which is all of the times.
        limit=2**24,
    )


async def _measured(rate: float, seconds: float, port: int, written: str) -> None:
    """Write at one rate, and print the rows of those who followed."""
    followers = [await _started("--follow", who) for who in FOLLOWERS]
    for follower in followers:
        assert follower.stdout is not None
        await follower.stdout.readline()
    way = ("--write", str(rate), str(port))
    writer = await _started(f"--seconds={seconds}", *way)
    times = json.loads((await writer.communicate())[0])
    told = json.dumps(list(times)).encode() + b"\n"
    answers = await asyncio.gather(*(follower.communicate(told) for follower in followers))
    for who, (answer, _) in zip(FOLLOWERS, answers, strict=True):
        print(_row(f"{who}, {written}", rate, times, json.loads(answer)))


async def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=20)
    options.add_argument("--rates", default="100,250,500")
    options.add_argument("--write", nargs=2, type=float, help=argparse.SUPPRESS)
    options.add_argument("--follow", choices=FOLLOWERS, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.write:
        await _write(given.write[0], given.seconds, int(given.write[1]))
        return
    if given.follow:
        await _follow(given.follow)
        return
    print("| who, and how written | wanted | changes/s | p50 | p95 | p99 | most | seen | lost |")
    print("|---|---|---|---|---|---|---|---|---|")
    with served() as port:
        for rate in map(float, given.rates.split(",")):
            for way, written in ((0, "services"), (port, "HTTP")):
                await _measured(rate, given.seconds, way, written)
    print(f"\n{machine()}")


if __name__ == "__main__":
    asyncio.run(main())
