"""What the set-up of a fixture wrote to a test's database and did not commit.

A transaction that is open shows on the server. One that was rolled back because its session or
connection was closed shows in SQLAlchemy's events, and by the journal: its lines were drawn and
are not there. Who called ``rollback`` meant it.
"""

from __future__ import annotations

import contextlib
import re
import sys
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Engine, event, inspect
from sqlalchemy.orm import Session

from testkit.core.messages import TestkitError
from testkit.isolation.patience import PATIENCE
from testkit.isolation.queries.normal_form import on_one_line
from testkit.isolation.queries.place import leads_to
from testkit.isolation.sessions import describe_sessions, end_sessions, forgotten
from testkit.system.calling_site import calling_site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from testkit.isolation.pools import PoolWatch
    from testkit.isolation.reset import DatabaseReset
    from testkit.servers.postgres import PostgresServer

__all__ = ["Uncommitted"]

_MOST_CHARACTERS: Final = 300  # of a statement
_MOST_STATEMENTS: Final = 5
_POSITION: Final = """
SELECT clock_timestamp(), last_value - (NOT is_called)::int,
       (SELECT count(*) FROM pg_testkit.journal)
FROM pg_testkit.line
"""
_OPEN: Final = sql.SQL("""
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend'
  AND pid <> pg_backend_pid() AND xact_start >= {}
""")
_COMMENT: Final = r"/\*(?:[^*]|\*(?!/))*\*/"
_WRITES: Final = re.compile(
    rf"(?:\s|{_COMMENT}|--[^\n]*\n)*"
    r"(?:(?:INSERT|UPDATE|DELETE|MERGE|TRUNCATE|COPY|CREATE|ALTER|DROP)\b"
    r"|WITH\b.*\b(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM|MERGE\s+INTO)\b)",
    re.IGNORECASE | re.DOTALL,
)


class Uncommitted:
    """Follows one set-up: ``begin``, the set-up, ``listen_no_more``, ``check``, ``release``.

    Without the first two it knows of transactions that are open, and of what a driver rolled back.
    """

    def __init__(
        self,
        server: PostgresServer,
        database: str,
        reset: DatabaseReset,
        pools: PoolWatch,
        root: str,
    ) -> None:
        """``root`` ends with a slash: sites below it are told relative to it."""
        self._server, self._database, self._root = server, database, root
        self._reset, self._pools = reset, pools
        self._key = f"testkit uncommitted {id(self)}"
        self._since: datetime | None = reset.began
        self._drawn = self._kept = 0
        self._open: list[int] = []
        # By the driver's connection: what was written last in a transaction that has not ended.
        self._written: dict[int, str] = {}
        self._lost: list[str] = []
        self._meant = False  # to roll back
        self._added: dict[int, tuple[object, str]] = {}  # to a session, and not sent yet

    def begin(self) -> None:
        """Note where the database stands, and listen to SQLAlchemy."""
        self._since, self._drawn, self._kept = self._reset.ask(_POSITION)[0]
        for target, name, function in self._listeners():
            event.listen(target, name, function)

    def listen_no_more(self) -> None:
        """Stop listening."""
        for target, name, function in self._listeners():
            event.remove(target, name, function)

    def check(self, who: str, where: str) -> None:
        """Raise TK343 where a transaction is open, TK344 where something was not committed.

        A transaction gets a moment to end. One is left alone that another thread or task holds that
        goes on, or in which a statement is at work.
        """
        if described := self._look_for_open():
            blockers = "\n".join(described.values())
            raise TestkitError("TK343", who=who, where=where, blockers=blockers)
        if lines := self._not_committed():
            shown = "\n".join(lines[:_MOST_STATEMENTS])
            raise TestkitError("TK344", who=who, where=where, statements=shown)

    def release(self) -> None:
        """Close the sessions, and end the connections, that ``check`` found in a transaction."""
        if not self._open:
            return
        self._pools.close_sessions(self._open)
        with contextlib.suppress(psycopg.Error), self._server.connect(self._database) as connection:
            left = {pid for (pid,) in self._reset.ask(self._open_query())}
            if still := left & set(self._open):
                end_sessions(connection, still)

    def _open_query(self) -> sql.Composable:
        return _OPEN.format(sql.Literal(self._since))

    def _look_for_open(self) -> dict[int, str]:
        found = {pid for (pid,) in self._reset.ask(self._open_query())}
        found -= self._pools.held_elsewhere()
        if not found:
            return {}
        with self._server.connect(self._database) as connection:
            self._open = forgotten(connection, found, PATIENCE)
            if not self._open:
                return {}
            return describe_sessions(connection, self._open, self._pools.origin)

    def _not_committed(self) -> list[str]:
        _, drawn, kept = self._reset.ask(_POSITION)[0]
        drawn, kept = drawn - self._drawn, kept - self._kept
        lines = [text for _, text in self._added.values()]
        if drawn > kept:
            lines += [*self._lost, *self._written.values()]
        if not lines and drawn > 0 and kept <= 0 and not self._meant:
            lines = ["  sent by a driver without SQLAlchemy"]
        return list(dict.fromkeys(lines))

    def _listeners(self) -> Iterator[tuple[Any, str, Any]]:
        yield Engine, "after_cursor_execute", self._sent
        yield Engine, "commit", self._committed
        yield Engine, "commit_twophase", self._committed
        yield Engine, "rollback", self._rolled_back
        yield Engine, "rollback_savepoint", self._rolled_back_to
        yield Session, "transient_to_pending", self._was_added
        yield Session, "pending_to_persistent", self._was_sent
        yield Session, "pending_to_transient", self._was_dropped

    def _sent(self, connection: Connection, _cursor: object, statement: str, *_rest: Any) -> None:
        if not _WRITES.match(statement) or not leads_to(
            connection, (self._server.port, self._database), key=self._key
        ):
            return
        if not getattr(connection.connection, "autocommit", False):
            text = on_one_line(statement, _MOST_CHARACTERS)
            self._written[_driver(connection)] = f"  {text}{self._site()}"

    def _committed(self, connection: Connection, *_rest: Any) -> None:
        self._written.pop(_driver(connection), None)

    def _rolled_back(self, connection: Connection) -> None:
        text = self._written.pop(_driver(connection), None)
        if _is_called("rollback"):
            self._meant = True
        elif text is not None:
            self._lost.append(text)

    def _rolled_back_to(self, *_savepoint: object) -> None:
        self._meant = True

    def _was_added(self, session: Session, instance: object) -> None:
        if self._leads_here(session, instance):
            name = type(instance).__name__
            text = f"  a {name} that was added to a session and never sent{self._site()}"
            self._added[id(instance)] = (instance, text)

    def _was_sent(self, _session: Session, instance: object) -> None:
        self._added.pop(id(instance), None)

    def _was_dropped(self, _session: Session, instance: object) -> None:
        if not _is_called("close"):
            self._added.pop(id(instance), None)

    def _leads_here(self, session: Session, instance: object) -> bool:
        with contextlib.suppress(Exception):  # a session without an engine, or with one of its own
            bind = session.get_bind(inspect(instance).mapper)
            url = bind.engine.url
            return (url.port, url.database) == (self._server.port, self._database)
        return False

    def _site(self) -> str:
        site = calling_site(self._root)
        return f"\n    at {site}" if site else ""


def _driver(connection: Connection) -> int:
    return id(connection.connection.dbapi_connection)


def _is_called(name: str) -> bool:
    """Return whether somebody called this method of SQLAlchemy's, which led here."""
    frame = sys._getframe(2)  # noqa: SLF001 - no event says it
    while frame.f_globals.get("__name__", "").startswith("sqlalchemy"):
        if frame.f_code.co_name == name:
            return True
        if frame.f_back is None:  # the greenlet of an asynchronous call
            return False
        frame = frame.f_back
    return False
