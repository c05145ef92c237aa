"""What a test's database was asked last and which transactions are open, when the test fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import psycopg

from testkit.isolation.queries.last import MOST_CHARACTERS, LastStatements
from testkit.isolation.queries.normal_form import on_one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.isolation.bill import Bill
    from testkit.servers.postgres import PostgresServer

__all__ = ["Evidence"]

_TIMEOUT: Final = "SET statement_timeout = '1s'"
# What a reader, testkit's own triggers and the index of a row lock tells nothing.
_OPEN: Final = """
SELECT a.pid, a.application_name, a.state,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8, a.query,
       pg_blocking_pids(a.pid),
       (SELECT string_agg(DISTINCT l.mode || ' on ' || coalesce(c.relname::text, l.locktype), ', ')
        FROM pg_locks l LEFT JOIN pg_class c ON c.oid = l.relation
        WHERE l.pid = a.pid AND NOT l.granted),
       (SELECT string_agg(DISTINCT l.mode || ' on ' || coalesce(c.relname::text, l.locktype), ', ')
        FROM pg_locks l LEFT JOIN pg_class c ON c.oid = l.relation
        WHERE l.pid = a.pid AND l.granted AND l.mode <> 'AccessShareLock'
          AND (l.locktype = 'advisory'
               OR l.locktype = 'relation' AND c.relkind IN ('r', 'p', 'm') AND NOT EXISTS (
               SELECT FROM pg_namespace n WHERE n.oid = c.relnamespace
               AND n.nspname IN ('pg_catalog', 'pg_testkit', 'testkit_journal'))))
FROM pg_stat_activity a
WHERE a.datname = current_database() AND a.backend_type = 'client backend'
  AND a.pid <> pg_backend_pid() AND a.xact_start IS NOT NULL
ORDER BY a.xact_start LIMIT 10
"""


class Evidence:
    """Tells of one database what helps to see why a test failed.

    ``told`` connects by itself, and answers less rather than to raise or to wait.
    """

    def __init__(self, server: PostgresServer, database: str, bill: Bill | None = None) -> None:
        self._server, self._database = server, database
        self.statements = LastStatements(server.port, database, bill)

    def told(self) -> str | None:
        """Return the text, None where the test sent nothing and nothing is open."""
        parts = []
        if lines := self.statements.lines():
            parts += ["The last statements that SQLAlchemy sent to the test's database:", *lines]
        if lines := self._open_transactions():
            parts += ["Transactions open in it when the test failed:", *lines]
        return "\n".join(parts) or None

    def _open_transactions(self) -> list[str]:
        try:
            with self._server.connect(self._database) as connection:
                connection.execute(_TIMEOUT)
                rows = connection.execute(_OPEN).fetchall()
        except (psycopg.Error, OSError):
            return []  # the test has failed already: its own error is the one to read
        return [line for row in rows for line in _lines(row)]


def _lines(row: tuple[Any, ...]) -> Iterator[str]:
    pid, name, state, age, query, blockers, wanted, held = row
    doing = on_one_line(query or "", MOST_CHARACTERS)
    # Of sessions of other roles an ordinary one sees less.
    yield f"  pid {pid} {name!r}, {state}, open for {age:.1f} s, last statement: {doing}"
    if wanted:
        by = ", ".join(f"pid {blocker}" for blocker in blockers) or "nobody any more"
        yield f"    waits for {wanted}, held by {by}"
    if held:
        yield f"    holds {held}"
