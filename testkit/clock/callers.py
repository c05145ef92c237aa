"""Whose reads of the time stay real, whatever the test's clock says: pure, a table of modules."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

__all__ = ["counts", "keeps_real_monotonic", "keeps_real_wall", "waits"]

# They measure and limit the run itself.
_RUNNERS: Final = (
    "_hypothesis",
    "_pytest",
    "coverage",
    "execnet",
    "hypothesis",
    "pluggy",
    "pytest",
    "testkit",
    "unittest",
    "xdist",
)
# They wait in C or in threads for as long as they computed: a clock that stands never ends that.
_WAITING: Final = (
    "asyncio",
    "concurrent",
    "multiprocessing",
    "profile",
    "queue",
    "sched",
    "selectors",
    "socket",
    "socketserver",
    "ssl",
    "subprocess",
    "telnetlib",
    "threading",
    "timeit",
    "trio",
)
# Their deadlines belong to answers of real servers.
_DRIVERS: Final = (
    "asyncpg",
    "psycopg",
    "psycopg2",
    "psycopg_pool",
    "redis",
    "sqlalchemy",
    "urllib3",
    "valkey",
)
# Waits for a connection by wall time.
_WALL_WAITING: Final = ("sqlalchemy.util.queue",)
_HOLDING_UP: Final = frozenset(
    {"concurrent", "multiprocessing", "queue", "subprocess", "threading"}
)
_REAL_MONOTONIC: Final = frozenset(_RUNNERS + _WAITING + _DRIVERS)
_REAL_WALL: Final = frozenset(_RUNNERS)


@lru_cache(maxsize=4096)
def keeps_real_monotonic(module: str) -> bool:
    """Return whether the code of this module reads the real monotonic time."""
    package = module.partition(".")[0]
    return package in _REAL_MONOTONIC or package.startswith("pytest_")


@lru_cache(maxsize=4096)
def counts(module: str) -> bool:
    """Return whether a look at a hand from this module tells that the test's code reads it.

    Logging has the time of every record, drivers and pools that of every connection.
    """
    package = module.partition(".")[0]
    return package != "logging" and package not in _REAL_MONOTONIC


def waits(module: str) -> bool:
    """Return whether a thread that is in this module waits for another thread or a process."""
    return module.partition(".")[0] in _HOLDING_UP


@lru_cache(maxsize=4096)
def keeps_real_wall(module: str) -> bool:
    """Return whether the code of this module reads the real wall time."""
    package = module.partition(".")[0]
    return package in _REAL_WALL or package.startswith("pytest_") or module in _WALL_WAITING
