"""Requests a second and latencies of the control center, over real sockets.

    testkit run -- python benchmarks/cos_http.py [--seconds 5] [--clients 1,16,64]

A served process (`python -m cos serve`) on the run's Postgres and Redis, and in this process as
many keep-alive connections as there are clients, each of which sends its next request when the
answer is there. Client, server, Postgres and Redis share the machine's cores.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Self

from measure import machine

HEADERS: Final = "Host: 127.0.0.1\r\nContent-Type: application/json\r\n"

Request = Callable[[], tuple[str, str, str]]
"""Gives method, path and body of the next request."""


@contextmanager
def served() -> Iterator[int]:
    """Run the service; give its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cos", "serve", "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        env=None,
    )
    assert process.stderr is not None
    port = 0
    for line in process.stderr:
        if found := re.search(r"Serving http://127\.0\.0\.1:(\d+)", line):
            port = int(found[1])
        if "startup complete" in line:
            break
    drain = asyncio.get_running_loop().run_in_executor(None, process.stderr.read)
    try:
        yield port
    finally:
        process.terminate()
        process.wait()
        drain.cancel()


class Connection:
    """One keep-alive connection that speaks as little HTTP as is needed."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()
        await self._writer.wait_closed()

    async def ask(self, method: str, path: str, body: str = "") -> tuple[int, bytes]:
        """Return status and body."""
        head = f"{method} {path} HTTP/1.1\r\n{HEADERS}Content-Length: {len(body)}\r\n\r\n"
        self._writer.write((head + body).encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
        content = await self._reader.readexactly(int(length[1])) if length else b""
        return int(head.split(" ", 2)[1]), content


async def load(port: int, clients: int, seconds: float, request: Request) -> list[float]:
    """Send for so many seconds; return the milliseconds of each request, sorted."""
    times: list[float] = []
    end = time.perf_counter() + seconds

    async def client() -> None:
        async with Connection(port) as connection:
            while (began := time.perf_counter()) < end:
                status, answer = await connection.ask(*request())
                times.append((time.perf_counter() - began) * 1e3)
                if status >= 300:
                    raise RuntimeError(f"{status}: {answer.decode()}")

    await asyncio.gather(*(client() for _ in range(clients)))
    return sorted(times)


async def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=5)
    options.add_argument("--clients", default="1,16,64")
    given = options.parse_args()
    numbers, label = itertools.count(), time.time_ns()

    def create() -> tuple[str, str, str]:
        name = f"benchmark-{label}-{next(numbers)}"
        return "POST", "/cc/modules", json.dumps({"name": name, "version": "1.0.0"})

    def change() -> tuple[str, str, str]:
        return "PATCH", f"/cc/modules/{next(ids)}", json.dumps({"version": f"1.{next(numbers)}"})

    with served() as port:
        async with Connection(port) as connection:
            made = [json.loads((await connection.ask(*create()))[1])["id"] for _ in range(200)]
        ids = itertools.cycle(made)
        requests: dict[str, Request] = {
            "create a module": create,
            "change a module": change,
            "read a module": lambda: ("GET", f"/cc/modules/{next(ids)}", ""),
            "heartbeat": lambda: ("POST", f"/cc/modules/{next(ids)}/heartbeat", ""),
        }
        print("| request | clients | requests/s | p50, ms | p95, ms | p99, ms |")
        print("|---|---|---|---|---|---|")
        for name, request in requests.items():
            await load(port, 4, 1, request)  # warm
            for clients in map(int, given.clients.split(",")):
                times = await load(port, clients, given.seconds, request)
                shares = [times[int(len(times) * share)] for share in (0.5, 0.95, 0.99)]
                cells = " | ".join(f"{value:.2f}" for value in shares)
                print(f"| {name} | {clients} | {len(times) / given.seconds:.0f} | {cells} |")
    print(f"\n{machine()}")


if __name__ == "__main__":
    asyncio.run(main())
