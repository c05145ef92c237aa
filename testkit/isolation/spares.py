"""Spare databases of a worker: made in the background, handed over by a rename."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg import sql

from testkit.core.naming import spare_name
from testkit.servers.ownership.marks import drop_database, end_prepared

if TYPE_CHECKING:
    from testkit.isolation.sessions import Connection
    from testkit.servers.postgres import PostgresServer

__all__ = ["SpareDatabases"]

_MOST_SPARES: Final = 2
_CLOSE_SECONDS: Final = 2.0
_PAUSE: Final = 0.001  # seconds between two looks at sessions that are ending
_EXIT_SECONDS: Final = 1.0  # that they get
# A client that connects at the wrong moment would hold RENAME up for five seconds.
_NOT_LONG: Final = "SET statement_timeout = '1s'"
_END_ALL: Final = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = %s AND pid <> pg_backend_pid()
"""


class SpareDatabases:
    """Replaces the database of a worker by a spare one; by CREATE DATABASE where none is ready.

    For a server that ends with the run only: nobody else removes what lies there. The thread is
    started by the first use and is a daemon. What goes wrong in it costs the spare and no more: the
    next replacement is made in the foreground, and says itself what is wrong.
    """

    def __init__(self, server: PostgresServer, database: str) -> None:
        self._server, self._database = server, database
        self._changed = threading.Condition()
        self._wanted = 1
        self._numbers = 0
        self._ready: list[str] = []
        self._old: list[str] = []
        self._failed = self._closed = False
        self._thread: threading.Thread | None = None
        self._working: Connection | None = None
        self._connection: Connection | None = None

    @property
    def ready(self) -> int:
        """Return how many spares are ready now."""
        return len(self._ready)

    @property
    def idle(self) -> bool:
        """Return whether all spares are ready and no old database waits to be dropped."""
        with self._changed:
            return not self._lacks() and not self._old

    @property
    def failed(self) -> bool:
        """Return whether the last attempt failed; the next use tries again."""
        return self._failed

    def start(self) -> None:
        """Begin to make the first spare; nothing where that has begun."""
        with self._changed:
            self._failed = False
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(
                    target=self._work, name="testkit spare databases", daemon=True
                )
                self._thread.start()
            self._changed.notify_all()

    def replace(self, name: str) -> None:
        """Put a copy of the template in the place of the worker's database; its sessions are ended.

        Raises as ``PostgresServer.create_database``.
        """
        assert name == self._database
        with self._changed:
            spare = self._ready.pop() if self._ready else None
            if spare is None and self._thread is not None:
                self._wanted = _MOST_SPARES
        if spare is None or not self._hand_over(spare):
            self._server.create_database(name)
        self.start()

    def close(self) -> None:
        """End the thread. What lies on the server goes with the server."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        thread, until = self._thread, time.monotonic() + _CLOSE_SECONDS
        while thread is not None and thread.is_alive() and time.monotonic() < until:
            if (working := self._working) is not None:
                with contextlib.suppress(psycopg.Error):
                    working.cancel_safe(timeout=_CLOSE_SECONDS)
            thread.join(0.02)
        if self._connection is not None:
            self._connection.close()

    def _hand_over(self, spare: str) -> bool:
        """Let the spare have the name; answer whether it has it."""
        with self._changed:
            old = self._next_name()
        try:
            if self._connection is None or self._connection.closed:
                self._connection = self._server.connect()
                self._connection.execute(_NOT_LONG)
            self._exchange(self._connection, spare, old)
        except psycopg.Error:
            # Whatever it was, the database has its name still, or none has.
            with self._changed:
                self._old.append(spare)
            return False
        with self._changed:
            self._old.append(old)
        return True

    def _exchange(self, connection: Connection, spare: str, old: str) -> None:
        end_prepared(connection, self._database)
        until = time.monotonic() + _EXIT_SECONDS
        # RENAME would look again only after 100 ms.
        while connection.execute(_END_ALL, (self._database,)).fetchone():
            if time.monotonic() > until:
                break
            time.sleep(_PAUSE)
        # Both or none: a client that connects meanwhile waits for the one that comes.
        with connection.transaction():
            for before, after in ((self._database, old), (spare, self._database)):
                connection.execute(
                    sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
                        sql.Identifier(before), sql.Identifier(after)
                    )
                )

    def _next_name(self) -> str:
        self._numbers += 1
        return spare_name(self._database, self._numbers)

    def _work(self) -> None:
        while self._await_work():
            try:
                with self._server.connect() as self._working:
                    self._do_all(self._working)
            except (psycopg.Error, OSError):
                with self._changed:
                    self._failed = True
            finally:
                self._working = None

    def _await_work(self) -> bool:
        """Wait until there is something to do; answer whether there ever will be."""
        with self._changed:
            while not self._closed and (self._failed or not (self._lacks() or self._old)):
                self._changed.wait()
            return not self._closed

    def _lacks(self) -> bool:
        return len(self._ready) < self._wanted

    def _do_all(self, connection: Connection) -> None:
        while not self._closed:
            with self._changed:
                # The spare first: a test may end just now. But never more than a few that wait.
                makes = self._lacks() and len(self._old) <= _MOST_SPARES
                name = self._next_name() if makes else self._old[-1] if self._old else None
            if name is None:
                return
            if makes:
                self._server.create_database(name, connection=connection)
            else:
                drop_database(connection, name)
            with self._changed:
                if makes:
                    self._ready.append(name)
                else:
                    self._old.remove(name)
