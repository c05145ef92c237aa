"""What it costs to exchange the database of a test for a fresh copy of the template.

    python benchmarks/clones.py [--tables 60] [--rounds 50]

Tables with three indexes each. Each exchange is timed from the end of a test that committed a row
to the database that the next one may use: with a spare that is ready, and without one, by each
strategy of CREATE DATABASE.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import threading
import time
from typing import TYPE_CHECKING, Final

from measure import machine, new_run, row

from testkit.isolation.reset import DatabaseReset
from testkit.isolation.spares import SpareDatabases
from testkit.isolation.template import JournalTemplate

if TYPE_CHECKING:
    from testkit.servers.postgres import PostgresServer

_NAME: Final = "exchanged"
_TABLE: Final = """CREATE TABLE t{0} (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text UNIQUE,
    at timestamptz DEFAULT now()); CREATE INDEX ON t{0} (at);"""


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tables", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=50)
    arguments = parser.parse_args()
    run = new_run()
    try:
        found = run.ensure_postgres()
        server = dataclasses.replace(found, template="of_clones")
        with server.connect() as admin:
            admin.execute("CREATE DATABASE of_clones")
        with server.connect("of_clones") as inside:
            for number in range(arguments.tables):
                inside.execute(_TABLE.format(number).encode())
            JournalTemplate().install(inside)
        print(f"| {arguments.tables} tables: exchange, ms | median | least | most | runs |")
        print("|---|---|---|---|---|")
        print(row("a spare is ready", _exchanges(server, arguments.rounds, spare=True)))
        for strategy in ("FILE_COPY", "WAL_LOG"):
            by = dataclasses.replace(server, strategy=strategy)
            print(row(f"{strategy}, no spare", _exchanges(by, arguments.rounds, spare=False)))
        print(f"\n{server.version}, chosen here: {found.strategy}; {machine()}")
    finally:
        run.close()


def _exchanges(server: PostgresServer, rounds: int, *, spare: bool) -> list[float]:
    server.create_database(_NAME)
    times = []
    with contextlib.ExitStack() as stack:
        spares = SpareDatabases(server, _NAME)
        stack.callback(spares.close)
        make = spares.replace if spare else server.create_database
        reset = DatabaseReset(server, _NAME, replaced=lambda: None, make=make)
        stack.callback(reset.close)
        for number in range(rounds):
            if spare:
                spares.start()
                while not spares.idle:
                    threading.Event().wait(0.01)
            with server.connect(_NAME) as application:
                application.execute(f"INSERT INTO t0 (name) VALUES ('{number}')".encode())
            started = time.perf_counter()
            reset.exchange("a test")
            times.append(time.perf_counter() - started)
    return times


if __name__ == "__main__":
    main()
