"""Further databases for one test: made from the template when asked for, gone behind the test."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg import sql

from testkit.core.messages import TestkitError
from testkit.core.naming import further_name
from testkit.isolation.database import Database
from testkit.isolation.sessions import LOCK_SECONDS, describe_sessions, forgotten
from testkit.servers.ownership.marks import drop_database, lock

if TYPE_CHECKING:
    from collections.abc import Collection

    from testkit.core.current import Periods
    from testkit.isolation.pools import PoolWatch
    from testkit.isolation.sessions import Connection
    from testkit.servers.postgres import PostgresServer

__all__ = ["MOST_DATABASES", "FurtherDatabases"]

#: That one process may have at a time.
MOST_DATABASES: Final = 8
_OPEN: Final = """
SELECT pid FROM pg_stat_activity
WHERE datname = %s AND backend_type = 'client backend' AND xact_start IS NOT NULL
"""


@dataclass(slots=True)
class _Made:
    """One of them; ``owner`` is the wider-scoped fixture that it goes with, None for the test."""

    name: str
    database: Database
    period: int
    owner: object = None


class FurtherDatabases:
    """What ``database.another()`` made in one process. Safe to call from several threads.

    One belongs to the running test or, if made in the set-up of a wider-scoped fixture, to that.
    Each name is locked for as long as its database is there: on a server of others
    that is how a run on another machine knows that it is in use.
    """

    def __init__(
        self,
        server: PostgresServer,
        database: str,
        periods: Periods,
        pools: PoolWatch | None,
    ) -> None:
        self._server, self._database, self._periods = server, database, periods
        self._pools = pools
        self._numbers = count(1)  # no name is used twice: a session may still be ending
        self._made: list[_Made] = []
        self._connection: Connection | None = None
        self._lock = threading.Lock()

    def make(self) -> Database:
        """Make one. Raises TK349 where there are too many, OSError where the disk is full."""
        with self._lock:
            if len(self._made) >= MOST_DATABASES:
                reason = f"this process has {MOST_DATABASES} already, the most at a time"
                raise TestkitError("TK349", call="another()", reason=reason)
            name = further_name(self._database, next(self._numbers))
            database = Database(self._server.address(name), further=self)
            connection = self._connected()
            lock(connection, name)
            self._made.append(_Made(name, database, self._periods.now))
            self._server.create_database(name, connection=connection)
            # No test waits for itself for ever, here neither.
            connection.execute(
                sql.SQL("ALTER DATABASE {} SET lock_timeout = {}").format(
                    sql.Identifier(name), f"{LOCK_SECONDS:g}s"
                )
            )
            return database

    def claim(self, fixture: object) -> None:
        """Give what was made in a fixture's set-up, which has just ended, to the fixture."""
        for made in self._made:
            if made.owner is None and made.period > self._periods.now:
                made.owner = fixture

    def end(self, fixture: object, *, patience: float) -> list[TestkitError]:
        """Drop what belongs to the fixture or, with None, to the test.

        Answers TK302 for each in which a transaction was still open ``patience`` seconds later.
        """
        if not self._made:
            return []
        with self._lock:
            ending = [made for made in self._made if made.owner is fixture]
            self._made = [made for made in self._made if made.owner is not fixture]
            leaks = [leak for made in ending if (leak := self._end(made, patience)) is not None]
            if not self._made:
                self._disconnect()
            return leaks

    def restarted(self) -> None:
        """Go on with a server that was killed and started again."""
        with self._lock:
            self._disconnect()

    def close(self) -> None:
        """Drop what is left, without a look at it."""
        with self._lock:
            left, self._made = self._made, []
            for made in left:
                made.database.dispose()
                self._drop(made.name)
            self._disconnect()

    def _end(self, made: _Made, patience: float) -> TestkitError | None:
        made.database.finish_test()
        leak = None
        with contextlib.suppress(psycopg.Error):  # its server may be gone, which is said elsewhere
            rows = self._connected().execute(_OPEN, (made.name,)).fetchall()
            if found := {pid for (pid,) in rows}:
                leak = self._leak(made.name, found, patience)
        made.database.dispose()  # behind the sessions: what they return closes with the pool
        made.database.drop_async_connections()
        self._drop(made.name)
        return leak

    def _leak(self, name: str, found: Collection[int], patience: float) -> TestkitError | None:
        with self._server.connect(name) as inside:
            left = forgotten(inside, found, patience)
            origin = self._pools.origin if self._pools is not None else lambda _pid: ""
            described = describe_sessions(inside, left, origin)
        if self._pools is not None:
            self._pools.close_sessions(left)
        if not described:
            return None
        lines = "\n".join(described.values())
        return TestkitError("TK302", seconds=patience, database=name, blockers=lines)

    def _drop(self, name: str) -> None:
        with contextlib.suppress(psycopg.Error):
            drop_database(self._connected(), name)

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = self._server.connect()
            for made in self._made:
                lock(self._connection, made.name)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
