"""What the relay of ``faults`` costs: a round trip, large values, many connections.

    python benchmarks/faults.py [--rounds 3000] [--connections 1000]

Redis by redis-py on one connection, taken in turn: direct, through a relay without a fault, and
through one with a fault that strikes nothing here. The connections are bare sockets.
"""

from __future__ import annotations

import argparse
import resource
import socket
import statistics
import time
from functools import partial
from typing import TYPE_CHECKING

import redis
from measure import interleaved, machine, new_run

from testkit.faults.faults import Faults
from testkit.faults.routes import Routes

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.core.addresses import Address
    from testkit.faults.servers import ServerFaults
    from testkit.servers.run import Run

_SIZES = (64 * 1024, 1024 * 1024)
_VALUES = 64  # that are read or written together


class Around:
    """A run without pytest."""

    def __init__(self, run: Run) -> None:
        self._run, self.routes = run, Routes()

    def address(self, kind: str) -> Address:
        """Return where a server of the run is."""
        if kind == "redis":
            return self._run.ensure_redis().address
        self._run.ensure_database()
        return self._run.database_address()

    def server_faults(self, kind: str) -> ServerFaults:
        """Raise NotImplementedError: no server is disturbed."""
        raise NotImplementedError(kind)

    def lead(self, kind: str, address: Address) -> None:
        """Lead nothing: there are no variables."""

    def restore(self) -> None:
        """Restore nothing."""


def main() -> None:
    """Measure and print three tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3000)
    parser.add_argument("--connections", type=int, default=1000)
    arguments = parser.parse_args()
    run = new_run()
    around = Around(run)
    faults = Faults(around, nodeid="benchmark", seed=1, root="/")
    try:
        clients = {
            "direct": redis.Redis.from_url(run.ensure_redis().url),
            "relay": redis.Redis.from_url(faults.redis.url),
        }
        _round_trips(clients, arguments.rounds)
        with faults.redis.slow_close(1.0):
            slow = {"relay, a fault in force": clients["relay"]}
            _round_trips({"direct": clients["direct"]} | slow, arguments.rounds)
        _values(clients)
        for client in clients.values():
            client.close()
        ports = {"direct": run.ensure_redis().port, "relay": faults.redis.port}
        _connections(ports, arguments.connections)
    finally:
        faults.close()
        around.routes.close()
        run.close()
    print(f"\n{machine()}")


def _round_trips(clients: dict[str, redis.Redis], rounds: int) -> None:
    times = interleaved(
        {name: client.ping for name, client in clients.items()}, rounds=rounds, warm_up=100
    )
    print("| round trip, µs | median | p99 | most | runs |\n|---|---|---|---|---|")
    for name, seconds in times.items():
        of = sorted(1e6 * value for value in seconds)
        p99 = of[int(0.99 * len(of))]
        print(f"| {name} | {statistics.median(of):.0f} | {p99:.0f} | {of[-1]:.0f} | {len(of)} |")
    print()


def _values(clients: dict[str, redis.Redis]) -> None:
    print("| MB/s | direct | relay |\n|---|---|---|")
    for size in _SIZES:
        actions: dict[str, Callable[[], object]] = {}
        for name, client in clients.items():
            actions[f"write {name}"] = partial(_write, client, b"x" * size)
            actions[f"read {name}"] = partial(_read, client)
        times = interleaved(actions, rounds=7)
        for doing in ("write", "read"):
            speeds = [
                _VALUES * size / 1e6 / statistics.median(times[f"{doing} {name}"])
                for name in clients
            ]
            print(f"| {doing} {size // 1024} KiB | {speeds[0]:.0f} | {speeds[1]:.0f} |")
    print()


def _write(client: redis.Redis, value: bytes) -> None:
    for _ in range(_VALUES):
        client.set("value", value)


def _read(client: redis.Redis) -> None:
    for _ in range(_VALUES):
        client.get("value")


def _connections(ports: dict[str, int], number: int) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(f"| {number} connections, each answered once, s | median | most |\n|---|---|---|")
    times: dict[str, list[float]] = {name: [] for name in ports}
    for _ in range(5):
        for name, port in ports.items():
            times[name].append(_open(port, number))
    for name, seconds in times.items():
        print(f"| {name} | {statistics.median(seconds):.2f} | {max(seconds):.2f} |")


def _open(port: int, number: int) -> float:
    started = time.perf_counter()
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(number)]
    for each in sockets:
        each.sendall(b"PING\r\n")
    for each in sockets:
        each.recv(100)
    taken = time.perf_counter() - started
    for each in sockets:
        each.close()
    time.sleep(0.1)  # the other side of those is not the next one's
    return taken


if __name__ == "__main__":
    main()
