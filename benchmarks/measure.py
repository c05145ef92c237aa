"""What the benchmarks share: a run of servers, interleaved timing, the words about the machine."""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from testkit.core.options import Settings
from testkit.isolation.template import JournalTemplate
from testkit.servers.run import Run
from testkit.servers.templates.place import cache_directory
from testkit.system.processes import identify

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["interleaved", "machine", "new_run", "row"]


def new_run(road: str = "auto") -> Run:
    """Return a run of this process on servers of that road, with a journal; close it."""
    me = identify(os.getpid())
    assert me is not None
    settings = Settings(postgres=road, redis=road)
    return Run(
        token=os.urandom(4).hex(),
        owner=me,
        me=me,
        worker="bench",
        workers=1,
        settings=settings,
        root=Path.cwd(),
        cache=cache_directory(settings)[0],
        finish=JournalTemplate(),
        progress=lambda words: print(words, file=sys.stderr),
    )


def interleaved(
    actions: Mapping[str, Callable[[], object]], *, rounds: int, warm_up: int = 1
) -> dict[str, list[float]]:
    """Time the actions in turn, A B A B …, so that a drift of the machine meets all; seconds."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for number in range(rounds + warm_up):
        for name, action in actions.items():
            started = time.perf_counter()
            action()
            if number >= warm_up:
                times[name].append(time.perf_counter() - started)
    return times


def row(name: str, seconds: list[float]) -> str:
    """Return a table row: median, least and greatest in ms."""
    in_ms = sorted(1000 * value for value in seconds)
    median = statistics.median(in_ms)
    return f"| {name} | {median:.2f} | {in_ms[0]:.2f} | {in_ms[-1]:.2f} | {len(in_ms)} |"


def machine() -> str:
    """Return one line about the machine, the load that it had and how fast it was just now.

    Shared machines change their speed by a factor of two within the hour: the yardstick, a million
    additions in a Python loop, tells figures of a slow hour from those of a fast one.
    """
    load = os.getloadavg()[0]
    started = time.perf_counter()
    total = 0
    for number in range(1_000_000):
        total += number
    yardstick = 1000 * (time.perf_counter() - started)
    return (
        f"{platform.system()} {platform.release()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, load {load:.2f}, yardstick {yardstick:.0f} ms"
    )
