"""How long each server takes to start, to stop, and to be gone when its owner was killed.

    python benchmarks/servers.py [--rounds 9]
    python benchmarks/servers.py --peers [--rounds 5]

With --peers: whole runs of pytest with one test, of testkit and of its peers, in turn. Each peer
gets an environment of its own, installed at the first call. Call it as an ordinary user who may use
Docker: pytest-postgresql refuses root.

Without: warm cache; every road that is open here, in turn within a round. "Postgres" is: copy the
cached cluster, start, set the password, one database is ready; in Docker: start the container and
make the template in it. "A further database" is the clone that each xdist worker gets; "stop" ends
both servers and removes their data; "gone" is the time from kill -9 of their owner until no process
and no directory of theirs is left.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from measure import interleaved, machine, new_run, row
from peers import PEERS, prepare, seconds_of

from testkit.core.addresses import Address
from testkit.core.messages import TestkitError
from testkit.core.options import Settings
from testkit.servers.containers.images import Image
from testkit.servers.roads.choice import find_postgres, find_redis
from testkit.servers.templates.place import cache_directory
from testkit.system.processes import identify, is_alive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from testkit.servers.run import Run

ROADS = ("embedded", "local", "docker")


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--peers", action="store_true", help="whole runs, beside the peers")
    parser.add_argument("--own", choices=ROADS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.own:
        _own(arguments.own)
        return
    if arguments.peers:
        _beside_peers(arguments.rounds)
        return
    times: dict[str, list[float]] = {}
    roads = dict(_open_roads())
    for number in range(arguments.rounds + 1):
        for road, words in roads.items():
            for name, seconds in _round(road):
                if number:
                    times.setdefault(f"{words}: {name}", []).append(seconds)
    print("| server, ms | median | least | most | runs |\n|---|---|---|---|---|")
    for name in sorted(times):
        print(row(name, times[name]))
    print(f"\n{machine()}")


def _beside_peers(rounds: int) -> None:
    """Run each peer's one test in turn; print times, and ratios to the time without servers."""
    runs = {}
    for peer in PEERS:
        reason = peer.needs()
        try:
            if reason is None:
                run = partial(seconds_of, peer, prepare(peer))
                run()  # not counted: caches are filled
                runs[peer.name] = run
        except (subprocess.CalledProcessError, RuntimeError) as error:
            reason = str(error)
        if reason is not None:
            print(f"left out: {peer.name}: {reason}", file=sys.stderr)
    times = interleaved(runs, rounds=rounds, warm_up=0)
    nothing, ours = (times[peer.name] for peer in PEERS[:2])
    print("| one test with Postgres and Redis, ms | median | least | most | runs |")
    print("|---|---|---|---|---|")
    for name, seconds in times.items():
        print(row(name, seconds))
    extra = statistics.median(a - b for a, b in zip(ours, nothing, strict=True))
    print("\n| extra time over no server | ms | times testkit's |\n|---|---|---|")
    for name, seconds in list(times.items())[1:]:
        more = statistics.median(a - b for a, b in zip(seconds, nothing, strict=True))
        print(f"| {name} | {1000 * more:.0f} | {more / extra:.1f} |")
    print(f"\n{machine()}")


def _round(road: str) -> Iterator[tuple[str, float]]:
    run = new_run(road)
    steps: dict[str, Callable[[], object]] = {
        "1 Postgres, start": run.ensure_postgres,
        "2 a further database from the template": partial(_clone, run),
        "3 Redis, start": run.ensure_redis,
        "4 both, stop": run.close,
    }
    for name, step in steps.items():
        started = time.perf_counter()
        step()
        yield name, time.perf_counter() - started
    yield "5 both gone after kill -9", _killed(road)


def _killed(road: str) -> float:
    """Start both servers in a process of their own, kill it, and wait until nothing is left."""
    command = [sys.executable, __file__, "--own", road]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        keepers = [identify(int(pid)) for pid in owner.stdout.readline().split()]
        places = [Path(name) for name in owner.stdout.readline().split()]
        started = time.perf_counter()
        owner.kill()
        while any(path.exists() for path in places) or any(k and is_alive(k) for k in keepers):
            time.sleep(0.001)
        return time.perf_counter() - started


def _own(road: str) -> None:
    run = new_run(road)
    both = (run.ensure_postgres(), run.ensure_redis())
    kept = [server.kept for server in both if server.kept is not None]
    with run.ensure_postgres().connect() as connection:
        found = connection.execute("SHOW data_directory").fetchone()
    assert found is not None
    print(*(server.keeper.pid for server in kept))
    print(*(server.directory for server in kept), found[0], flush=True)
    sys.stdin.read()


def _open_roads() -> Iterator[tuple[str, str]]:
    """Yield each road that leads to both servers, and what it leads to."""
    for road in ROADS:
        settings = Settings(postgres=road, redis=road)
        cache = cache_directory(settings)[0]
        try:
            found = find_postgres(settings, (), cache), find_redis(settings, cache)
        except TestkitError as error:
            print(f"{road}: {error}", file=sys.stderr)
            continue
        words = [
            each.name if isinstance(each, Image) else f"{each.product} {each.version}"
            for each in found
            if not isinstance(each, Address)
        ]
        yield road, ", ".join((road, *words))


def _clone(run: Run) -> None:
    run.ensure_postgres().create_database("testkit_gw0")


if __name__ == "__main__":
    main()
