"""Statements that gave up waiting for a lock: which, and who holds it.

A test whose own open transaction holds a lock would wait for itself for ever. In a test's database
``lock_timeout`` is ``LOCK_SECONDS``; this module explains the error that the statement ends with.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

import psycopg
from sqlalchemy import Engine, event

from testkit.core.errors import chain_of
from testkit.core.messages import TestkitError
from testkit.isolation.queries.normal_form import on_one_line
from testkit.isolation.sessions import LOCK_SECONDS

if TYPE_CHECKING:
    from sqlalchemy.engine import ExceptionContext

    from testkit.servers.postgres import PostgresServer

__all__ = ["LockWaits"]

_LOCK_NOT_AVAILABLE: Final = "55P03"
_MOST_CHARACTERS: Final = 500  # of a statement
# Who holds a lock that others may want and does nothing with it, the longest first. Of sessions of
# other roles an ordinary one sees less.
_HOLDERS: Final = """
SELECT a.pid, a.application_name, a.state,
       extract(epoch FROM clock_timestamp() - a.state_change)::float8, a.query, a.datname
FROM pg_stat_activity a
WHERE (a.datname = current_database() OR starts_with(a.datname, current_database() || '__another'))
  AND a.backend_type = 'client backend'
  AND a.pid <> pg_backend_pid() AND a.state LIKE 'idle%' AND EXISTS (
    SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.granted
    AND (l.locktype = 'advisory' OR l.locktype IN ('relation', 'tuple', 'transactionid')
         AND l.mode <> 'AccessShareLock'))
ORDER BY a.state_change LIMIT 3
"""


class LockWaits:
    """Collects one message, TK307, for each statement of the running test that gave up.

    ``failed`` listens to SQLAlchemy's engines, ``told`` takes what a test failed by, for drivers
    used alone. The holders are looked for when a statement gives up, on a connection of its own:
    by the test's end they may be gone.
    """

    def __init__(self, server: PostgresServer, database: str) -> None:
        self._server, self._database = server, database
        self._lock = threading.Lock()
        self._seen: list[BaseException] = []
        self._messages: list[str] = []

    def start(self) -> None:
        """Listen to all engines."""
        event.listen(Engine, "handle_error", self.failed)

    def stop(self) -> None:
        """Stop listening."""
        event.remove(Engine, "handle_error", self.failed)

    def failed(self, context: ExceptionContext) -> None:
        """Note a statement of SQLAlchemy's that failed."""
        self._note(context.original_exception, context.statement or "")

    def told(self, error: BaseException) -> None:
        """Note what is in the chain of an exception and not noted yet."""
        self._note(error, "")

    def take(self) -> list[str]:
        """Return the messages of this test, and forget them."""
        with self._lock:
            messages, self._messages, self._seen = self._messages, [], []
        return messages

    def _note(self, error: BaseException, statement: str) -> None:
        # SQLAlchemy and its adapters wrap what the driver raised, one in the other.
        links = list(chain_of(error))
        if not any(_state(link) == _LOCK_NOT_AVAILABLE for link in links):
            return
        with self._lock:
            if any(link is seen for link in links for seen in self._seen):
                return
            self._seen += links
        holders, databases = self._holders()
        message = str(
            TestkitError(
                "TK307",
                seconds=LOCK_SECONDS,
                statement=on_one_line(statement, _MOST_CHARACTERS)
                or "the one that failed, see the traceback",
                holders="\n".join(holders) or "  nobody any more",
                database=", ".join(databases),
            )
        )
        with self._lock:
            self._messages.append(message)

    def _holders(self) -> tuple[list[str], list[str]]:
        """Return a line for each, and their databases: the one in which the statement waited."""
        try:
            with self._server.connect(self._database) as connection:
                rows: list[Any] = connection.execute(_HOLDERS).fetchall()
        except psycopg.Error as error:  # the application's own error must reach it
            return [f"  not to be found out: {error}"], [self._database]
        lines = [
            f"  pid {pid} {name!r}, {state} for {seconds:.1f} s, last statement:"
            f" {on_one_line(query, _MOST_CHARACTERS)}"
            for pid, name, state, seconds, query, _database in rows
        ]
        return lines, sorted({row[-1] for row in rows}) or [self._database]


def _state(error: BaseException) -> str | None:
    """Return the SQLSTATE of an error of psycopg, psycopg2, asyncpg or what adapts them."""
    for name in ("sqlstate", "pgcode"):
        if isinstance(found := getattr(error, name, None), str):
            return found
    return None
