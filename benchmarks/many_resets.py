"""Does a reset get slower the more of them there were? The first hundred of 5,000 beside the last.

python benchmarks/many_resets.py [--resets 5000]
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

import psycopg
from measure import machine, new_run, row

from testkit.isolation.reset import DatabaseReset
from testkit.isolation.template import JournalTemplate

if TYPE_CHECKING:
    from testkit.servers.run import Run

BLOCK = 100


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--resets", type=int, default=5000)
    resets = parser.parse_args().resets
    run = new_run()
    try:
        times = _times(run, resets)
    finally:
        run.close()
    print("| reset behind a test, ms | median | least | most | runs |\n|---|---|---|---|---|")
    print(row(f"the first {BLOCK}", times[:BLOCK]))
    print(row(f"the {BLOCK} in the middle", times[resets // 2 :][:BLOCK]))
    print(row(f"the last {BLOCK}", times[-BLOCK:]))
    print(machine())


def _times(run: Run, resets: int) -> list[float]:
    """Return the seconds of each reset behind a test that inserts, updates and deletes."""
    server = run.ensure_postgres()
    with server.connect() as admin:
        admin.execute("CREATE DATABASE many")
    with server.connect("many") as connection:
        connection.execute("CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY, name text UNIQUE)")
        connection.execute(
            "INSERT INTO t (name) SELECT 'base ' || g FROM generate_series(1, 200) g"
        )
        JournalTemplate().install(connection)
        reset = DatabaseReset(server, "many", replaced=lambda: None)
        times = []
        # A session of the application: ours is quiet, and what it writes is not undone.
        with psycopg.connect(server.address("many").url("libpq"), autocommit=True) as session:
            for number in range(resets):
                session.execute("INSERT INTO t (name) VALUES (%s)", (f"of test {number}",))
                session.execute("UPDATE t SET name = 'changed' WHERE name = 'base 7'")
                session.execute("DELETE FROM t WHERE name = 'base 8'")
                began = time.perf_counter()
                reset.finish("a test")
                times.append(time.perf_counter() - began)
        reset.close()
    return times


if __name__ == "__main__":
    main()
