"""What the health of many modules with a long history costs the control center.

    python benchmarks/cos_health.py [--modules 100000] [--records 1000000] [--rounds 50]

Timed are calls of the services, each in a transaction of its own on one pooled connection, with
modules that are all heard and a history that generate_series made. ``--at-indexes`` also measures
what an index on the time of the records would cost, as a btree and as BRIN.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from measure import machine, new_run, row
from pydantic import SecretStr
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import async_sessionmaker

from cos.db.engine import service_engine
from cos.models import HealthState, Module
from cos.services import health, health_history, modules
from cos.services.health import Heartbeat
from cos.services.state_changes import lock, store
from cos.services.transitions import Heard, hear
from cos.services.watcher import announce_silent
from cos.settings import DatabaseSettings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncSession

_DATABASE = "cos_health"
_UNIQUE = "uq_health_records_module_id_at"
_LIMIT = timedelta(hours=1)
_MODULES = """
    INSERT INTO modules (id, name, version, active, config, last_active, state, created_at)
    SELECT gen_random_uuid(), 'module ' || md5(n::text), '1.' || n, n % 20 <> 0,
        '{"region" : "eu", "replicas" : 3}', now() - n % 60 * interval '1 s',
        CASE WHEN n % 50 = 0 THEN 'degraded' ELSE 'healthy' END, now() - interval '1 day'
    FROM generate_series(1, :modules) AS n
"""
_STATUSES = """
    INSERT INTO health_statuses (id, module_id, status, details, last_updated)
    SELECT gen_random_uuid(), id, state, '{"queue" : 7}', last_active FROM modules
"""
# As heartbeats come: all modules in turn, again and again, through seven days.
_RECORDS = """
    INSERT INTO health_records (module_id, at, status, previous, reason, details)
    SELECT numbered.id, now() - interval '7 days' * (1 - n / :records ::float8), 'healthy',
        'healthy', 'heartbeat', '{"queue" : 7}'
    FROM generate_series(0, :records - 1) AS n
    JOIN (SELECT id, row_number() OVER () - 1 AS number FROM modules) AS numbered
        ON numbered.number = n % :modules
    ORDER BY n
"""

_MORE = """
    INSERT INTO health_records (module_id, at, status, previous, reason, details)
    SELECT id, clock_timestamp(), 'healthy', 'healthy', 'heartbeat', '{"queue" : 7}'
    FROM generate_series(1, 1 + :records / (SELECT count(*) FROM modules)) AS n, modules
    LIMIT :records
"""
_PRUNE_HALF = """
    DELETE FROM health_records WHERE id < (SELECT (min(id) + max(id)) / 2 FROM health_records)
"""


def main() -> None:
    """Measure and print tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--modules", type=int, default=100_000)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--at-indexes", action="store_true")
    arguments = parser.parse_args()
    run = new_run()
    try:
        server = run.ensure_postgres()
        with server.connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {_DATABASE}".encode())
        url = server.address(_DATABASE).url()
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        _fill(engine, arguments.modules, arguments.records)
        settings = DatabaseSettings(database_url=SecretStr(url))
        times = asyncio.run(_times(settings, arguments.rounds))
        print(f"\n| {arguments.modules:,} modules, {arguments.records:,} records, ms ", end="")
        print("| median | least | most | runs |\n|---|---|---|---|---|")
        for label, seconds in times.items():
            print(row(label, seconds))
        if arguments.at_indexes:
            _at_indexes(engine)
        engine.dispose()
    finally:
        run.close()
    print(f"\n{machine()}")


def _fill(engine: Engine, modules_: int, records: int) -> None:
    Module.metadata.create_all(engine)
    sizes = {"modules": modules_, "records": records}
    with engine.connect() as connection:
        # Looking for the module of each record would take most of the time.
        connection.execute(text("SET session_replication_role = replica"))
        # And an index that is made at the end is made in order.
        connection.execute(text(f"ALTER TABLE health_records DROP CONSTRAINT {_UNIQUE}"))
        for statement in (_MODULES, _STATUSES, _RECORDS):
            began = time.perf_counter()
            connection.execute(text(statement), sizes)
            table = statement.split()[2]
            print(f"{table} filled in {time.perf_counter() - began:.1f} s", flush=True)
        connection.execute(text("SET maintenance_work_mem = '1GB'"))
        unique = f"ADD CONSTRAINT {_UNIQUE} UNIQUE (module_id, at)"
        connection.execute(text(f"ALTER TABLE health_records {unique}"))
        connection.execute(text("VACUUM ANALYZE"))
        for relation in ("modules", "health_records", "pk_health_records", _UNIQUE):
            print(f"{relation}: {_size(engine, relation)}")


def _size(engine: Engine, relation: str) -> str:
    with engine.connect() as connection:
        statement = text("SELECT pg_size_pretty(pg_table_size(CAST(:name AS regclass)))")
        return str(connection.scalar(statement, {"name": relation}))


async def _times(settings: DatabaseSettings, rounds: int) -> dict[str, list[float]]:
    engine = service_engine(settings)
    sessions = async_sessionmaker(engine)
    async with sessions() as session:
        page = await modules.page(session, limit=200, active=True)
        ids = [module.id for module in page.modules]
        needle = page.modules[0].name[7:15]
    last = await _deep(sessions, ids[0])
    actions: dict[str, Callable[[AsyncSession, int], Awaitable[object]]] = {
        "GET /cc/system/health": lambda session, _: health.of_system(session, offline_after=_LIMIT),
        "history, first page of 50": lambda session, number: health_history.page(
            session, ids[number % 200], limit=50
        ),
        "history, last page": lambda session, _: health_history.page(
            session, ids[0], limit=50, before=last
        ),
        "heartbeat that changes nothing": lambda session, number: health.beat(
            session, ids[number % 200], Heartbeat(HealthState.DEGRADED)
        ),
        "heartbeat that changes the state": lambda session, number: health.beat(
            session, ids[0], Heartbeat((HealthState.HEALTHY, HealthState.DEGRADED)[number % 2])
        ),
        "100 heartbeats at once": lambda session, _: _batch(session, ids[100:]),
        "a look of the watcher, all heard": lambda session, _: announce_silent(
            session, offline_after=_LIMIT
        ),
        "search, 8 letters, 1 match": lambda session, _: modules.page(
            session, limit=50, search=needle
        ),
        "search, 3 letters, many matches": lambda session, _: modules.page(
            session, limit=50, search=needle[:3]
        ),
        "search, in every name": lambda session, _: modules.page(
            session, limit=50, search="module"
        ),
        "search, 2 letters, no match": lambda session, _: modules.page(
            session, limit=50, search="zz"
        ),
        "modules that are degraded, a page": lambda session, _: modules.page(
            session, limit=50, state=HealthState.DEGRADED
        ),
        "pruning, 5,000 records": lambda session, _: health_history.prune(
            session, older_than=timedelta(days=3)
        ),
        "pruning, nothing too old": lambda session, _: health_history.prune(
            session, older_than=timedelta(days=30)
        ),
    }
    times: dict[str, list[float]] = {label: [] for label in actions}
    for number in range(-3, rounds):
        for label, action in actions.items():
            began = time.perf_counter()
            async with sessions.begin() as session:
                await action(session, number)
            if number >= 0:
                times[label].append(time.perf_counter() - began)
    await engine.dispose()
    return times


async def _deep(sessions: async_sessionmaker[AsyncSession], module_id: UUID) -> datetime | None:
    before = None
    while True:
        async with sessions() as session:
            page = await health_history.page(session, module_id, limit=50, before=before)
        if page.next is None:
            return before
        before = page.next


async def _batch(session: AsyncSession, module_ids: list[UUID]) -> None:
    found = await lock(session, module_ids)
    steps = []
    for module in found.values():
        report = Heard(module.now, module.known.state)
        steps.append((module, hear(module.known, [report], silent_before=module.now)))
    await store(session, steps)


def _at_indexes(engine: Engine) -> None:
    """Print what an index on ``at`` costs, and what it would be worth to the pruning.

    The older half of the history is pruned and comes again, as in a week of heartbeats: its space
    is used anew. Then a look for what is too old finds nothing; how many blocks does it read?
    """
    look = "SELECT count(*) FROM health_records WHERE at < now() - interval '4 days'"
    first = "SELECT id, at FROM health_records WHERE id > 0 ORDER BY id LIMIT 5000"
    print("\n| index on the time of a record | size | 20,000 records more, ms | blocks of a look |")
    print("|---|---|---|---|")
    for kind in ("brin", "btree", "none"):
        with engine.connect() as connection:
            if kind != "none":
                connection.execute(text(f"CREATE INDEX by_at ON health_records USING {kind} (at)"))
            times = sorted(_more(connection, 20_000) for _ in range(7))
            size = "-" if kind == "none" else _size(engine, "by_at")
            half = connection.execute(text(_PRUNE_HALF)).rowcount
            connection.execute(text("VACUUM ANALYZE health_records"))
            _more(connection, half)
            connection.execute(text("SET enable_seqscan = off"))
            plan = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + (first if kind == "none" else look)
            (found,) = connection.execute(text(plan)).scalar_one()
            read = found["Plan"]["Shared Hit Blocks"] + found["Plan"]["Shared Read Blocks"]
            connection.execute(text("DROP INDEX IF EXISTS by_at"))
        print(f"| {kind} | {size} | {1000 * times[3]:.0f} | {read:,} |", flush=True)


def _more(connection: Connection, records: int) -> float:
    """Store so many records more, of now; return the seconds."""
    began = time.perf_counter()
    connection.execute(text(_MORE), {"records": records})
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
