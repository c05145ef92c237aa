"""What the watch on pools costs a test, and a test behind one that left something in its session.

    python benchmarks/pools.py [--rounds 300]

Timed is a checkout, SELECT 1 and the return, by driver: without the watch; first in a test and
later in it; first behind a test that set something, and behind one that left a LISTEN, where the
connection is exchanged; on a new connection. Beside them the look for advisory locks behind a test.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from measure import machine, new_run, row
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from testkit.core.current import Periods
from testkit.isolation.pools import PoolWatch
from testkit.isolation.reset import DatabaseReset
from testkit.isolation.template import JournalTemplate

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.servers.postgres import PostgresServer

_DRIVERS = ("psycopg", "psycopg2", "psycopg async", "asyncpg")
_ASYNCHRONOUS = ("psycopg async", "asyncpg")
_DATABASE = "pools"


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=300)
    arguments = parser.parse_args()
    run = new_run()
    try:
        server = run.ensure_postgres()
        with server.connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {_DATABASE}".encode())
        with server.connect(_DATABASE) as inside:
            JournalTemplate().install(inside)
        times: dict[str, list[float]] = {}
        for driver in _DRIVERS:
            _measure(server, driver, times, rounds=arguments.rounds)
    finally:
        run.close()
    print("| checkout, SELECT 1, return, ms | median | least | most | runs |")
    print("|---|---|---|---|---|")
    for label, seconds in times.items():
        print(row(label, seconds))
    print(f"\n{machine()}")


class _Application:
    """An engine of this driver, and a statement on a connection of it."""

    def __init__(self, url: str, driver: str, runner: asyncio.Runner) -> None:
        address = make_url(url).set(drivername=f"postgresql+{driver.removesuffix(' async')}")
        self._runner = runner
        self._later = create_async_engine(address) if driver in _ASYNCHRONOUS else None
        self._engine = None if self._later else create_engine(address)

    def do(self, statement: str) -> None:
        if self._engine is not None:
            with self._engine.begin() as connection:
                connection.execute(text(statement))
        else:
            self._runner.run(self._do(statement))

    def close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
        elif self._later is not None:
            self._runner.run(self._later.dispose())

    async def _do(self, statement: str) -> None:
        assert self._later is not None
        async with self._later.begin() as connection:
            await connection.execute(text(statement))


def _measure(
    server: PostgresServer, driver: str, times: dict[str, list[float]], *, rounds: int
) -> None:
    url, periods = server.address(_DATABASE).url(), Periods()
    watch = PoolWatch(server.port, periods)
    reset = DatabaseReset(server, _DATABASE, replaced=watch.replaced)

    def timed(label: str, action: Callable[[], object]) -> None:
        started = time.perf_counter()
        action()
        times.setdefault(label, []).append(time.perf_counter() - started)

    def connects(label: str) -> None:
        new = _Application(url, driver, runner)
        new.do("SELECT 1")  # the dialect asks a few things first
        new.close()
        timed(f"{driver}: {label}", lambda: new.do("SELECT 1"))
        new.close()

    def select() -> None:
        application.do("SELECT 1")

    with contextlib.ExitStack() as stack:
        stack.callback(reset.close)
        runner = stack.enter_context(asyncio.Runner())
        unwatched, application = (_Application(url, driver, runner) for _ in range(2))
        stack.callback(unwatched.close)
        stack.callback(application.close)
        unwatched.do("SELECT 1")
        for number in range(rounds):
            seldom = number % 10 == 0
            timed(f"{driver}: without the watch", lambda: unwatched.do("SELECT 1"))
            if seldom:
                connects("new connection, without the watch")
            watch.start()
            if seldom:
                connects("new connection")
            select()
            periods.turn()
            timed(f"{driver}: first in a test", select)
            timed(f"{driver}: later in the test", select)
            application.do("SET work_mem = '5MB'")
            periods.turn()
            timed(f"{driver}: first behind a SET", select)
            if seldom:
                application.do("LISTEN news")
                periods.turn()
                timed(f"{driver}: first behind a LISTEN", select)
            timed("behind a test: advisory locks", lambda: reset.end_lock_holders(watch.withdraw))
            watch.stop()


if __name__ == "__main__":
    main()
