"""What may use the test's database although SQLAlchemy's events do not show it."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Engine, event
from sqlalchemy.pool import Pool

from testkit.isolation.connections import backend_pid
from testkit.isolation.libraries import LIBRARIES, replace_in
from testkit.isolation.queries.unread import Schema
from testkit.system.imports import ImportWatch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType, ModuleType

    from psycopg import Connection

    from testkit.core.provided import Place
    from testkit.isolation.libraries import Undo

__all__ = ["UnseenUse", "schema_of", "used_by_unknown"]

_STARTS: Final = frozenset(
    {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system"}
)
# What stands between a connection or a process and whoever wanted it.
_BETWEEN: Final = frozenset(
    {"psycopg", "psycopg2", "asyncpg", "asyncio", "contextlib", "subprocess", "os"}
)
_HOOKS: Final = frozenset({__name__, "testkit.isolation.libraries"})
_NAMES: Final = r"""
SELECT 'reference', lower(child.relname), lower(parent.relname)
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class child ON child.oid = k.conrelid
JOIN pg_catalog.pg_class parent ON parent.oid = k.confrelid
WHERE k.contype = 'f'
UNION ALL
SELECT 'opaque', lower(c.relname), ''
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname NOT IN ('information_schema', 'testkit_journal') AND n.nspname !~ '^pg_'
AND (c.relkind IN ('v', 'm', 'f') OR c.relrowsecurity OR EXISTS (
    SELECT FROM pg_catalog.pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent)))
UNION ALL
SELECT 'opaque', lower(p.proname), ''
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname NOT IN ('information_schema', 'testkit_journal') AND n.nspname !~ '^pg_'
AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.deptype = 'e'
                AND d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid)
UNION ALL
SELECT 'triggered', lower(c.relname), ''
FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE NOT t.tgisinternal AND n.nspname <> 'testkit_journal' AND n.nspname !~ '^pg_'
"""
_UNKNOWN: Final = """
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend'
    AND application_name <> 'testkit' AND pid <> ALL (%s)
    AND state_change >= clock_timestamp() - make_interval(secs => %s))
"""
_watching: Final[list[UnseenUse]] = []
_audited: Final[list[bool]] = []


@dataclass(slots=True)
class _Counts:
    unseen: int = 0
    checkouts: int = 0
    connections: int = 0


class UnseenUse:
    """Counts connections that were made without SQLAlchemy, or taken raw, and processes started.

    ``pids`` are the server's sides of SQLAlchemy's own connections.
    """

    def __init__(self) -> None:
        self.pids: set[int] = set()
        self._now, self._before = _Counts(), _Counts()
        self._imports = ImportWatch(("psycopg", "asyncpg", "psycopg2"), self._hook)
        self._undo: list[Undo] = []

    def begin(self) -> None:
        """Begin to count."""
        _watching.append(self)
        if not _audited:
            _audited.append(True)
            sys.addaudithook(_audit)  # for ever: there is no way to take one back
        for target, name, function in self._listeners():
            event.listen(target, name, function)
        self._imports.start()

    def end(self) -> None:
        """Put everything back, but for what Python does not let go."""
        _watching.remove(self)
        self._imports.stop()
        while self._undo:
            self._undo.pop()()
        for target, name, function in self._listeners():
            event.remove(target, name, function)

    def begin_test(self) -> None:
        """Forget what was counted so far."""
        now = self._now
        self._before = _Counts(now.unseen, now.checkouts, now.connections)

    def happened(self) -> bool:
        """Return whether any of it happened since ``begin_test``."""
        now, before = self._now, self._before
        raw = (now.checkouts - before.checkouts) > (now.connections - before.connections)
        return raw or now.unseen > before.unseen

    def note(self) -> None:
        """Count one use that is not seen."""
        self._now.unseen += 1

    def _listeners(self) -> tuple[tuple[Any, str, Any], ...]:
        return (
            (Pool, "connect", self._connected),
            (Pool, "checkout", self._checked_out),
            (Engine, "engine_connect", self._taken),
        )

    def _connected(self, connection: Any, _entry: object) -> None:
        with contextlib.suppress(Exception):  # another database's, or ended at once
            self.pids.add(backend_pid(connection))

    def _checked_out(self, *_: object) -> None:
        self._now.checkouts += 1

    def _taken(self, _connection: object) -> None:
        self._now.connections += 1

    def _hook(self, library: ModuleType) -> None:
        try:
            if library.__name__ == "psycopg2":
                self._undo.append(replace_in(library, "_connect", self._psycopg2))
            else:
                self._undo.extend(LIBRARIES[library.__name__](library, self._asked))
        except (AttributeError, KeyError):
            self.note()  # a version that is not known

    def _psycopg2(self, original: Any) -> Any:
        def connect(*given: Any, **named: Any) -> Any:
            self._asked("psycopg2", (), None)
            return original(*given, **named)

        return connect

    def _asked(self, library: str, places: Sequence[Place], database: object) -> None:  # noqa: ARG002 - a Check
        if _is_of_others():
            self.note()


def _audit(name: str, _arguments: object) -> None:
    if name in _STARTS and _is_of_others():
        for each in _watching:
            each.note()


def _is_of_others() -> bool:
    """Return whether neither SQLAlchemy nor testkit itself wanted the connection or process."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - inspect.stack reads every source
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        package = module.partition(".")[0]
        if module not in _HOOKS and package not in _BETWEEN:
            return package not in {"sqlalchemy", "testkit"}
        frame = frame.f_back
    return True


def schema_of(connection: Connection) -> Schema:
    """Return what the database says about names."""
    rows = connection.execute(_NAMES).fetchall()
    named = {kind: {row[1] for row in rows if row[0] == kind} for kind in ("opaque", "triggered")}
    return Schema(
        frozenset((row[1], row[2]) for row in rows if row[0] == "reference"),
        frozenset(named["opaque"]),
        frozenset(named["triggered"]),
    )


def used_by_unknown(connection: Connection, pids: set[int], *, seconds: float) -> bool:
    """Return whether a session of nobody's among these did anything in the last ``seconds``.

    Of sessions that have ended the server does not tell.
    """
    row = connection.execute(_UNKNOWN, (sorted(pids), seconds)).fetchone()
    return bool(row and row[0])
