"""What recording a statement costs.

    python benchmarks/queries.py [--rounds 300]

``SELECT 1`` by SQLAlchemy on one connection, by Core and by the ORM, taken in turn: while nothing
of ours is registered, in a block of a test's budget (times only), and in a block of ``record``.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from measure import machine, new_run, row
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from testkit.isolation.queries.expectation import Queries

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.isolation.queries.expectation import Block
    from testkit.servers.run import Run

_BATCH = 50  # statements that are timed together


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=300)
    arguments = parser.parse_args()
    run = new_run()
    try:
        _measure(run, arguments.rounds)
    finally:
        run.close()


def _measure(run: Run, rounds: int) -> None:
    server = run.ensure_postgres()
    address = server.address("postgres")
    queries = Queries(address, Path.cwd())
    engine = create_engine(address.url())
    statement = text("SELECT :n").bindparams(n=1)
    with engine.connect() as connection, Session(engine) as session:
        askers: dict[str, Callable[[], object]] = {
            "Core": lambda: connection.execute(statement),
            "ORM": lambda: session.execute(statement),
        }
        times = _rounds(askers, queries, rounds)
    engine.dispose()
    print(f"| {_BATCH} statements, ms | median | least | most | runs |")
    print("|---|---|---|---|---|")
    for name, seconds in times.items():
        print(row(name, seconds))
    print(f"\n{machine()}")


def _rounds(
    askers: dict[str, Callable[[], object]], queries: Queries, rounds: int
) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, ask in askers.items():
            times.setdefault(f"{name}: nothing registered", []).append(_timed(ask))
            blocks: tuple[tuple[str, Block], ...] = (
                ("times, for a budget", queries.times()),
                ("record", queries.record()),
            )
            for kind, block in blocks:
                with block:
                    times.setdefault(f"{name}: {kind}", []).append(_timed(ask))
                queries.finish_test()
    return times


def _timed(ask: Callable[[], object]) -> float:
    started = time.perf_counter()
    for _ in range(_BATCH):
        ask()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
