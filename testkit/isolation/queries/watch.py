"""SQLAlchemy's events, turned into recordings of what one database was asked."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Engine, event
from sqlalchemy.orm import RelationshipProperty, Session

from testkit.isolation.queries.facts import LazyLoad, Sent
from testkit.isolation.queries.normal_form import controls_transaction
from testkit.isolation.queries.parameters import shown, variant
from testkit.isolation.queries.place import leads_to
from testkit.system.calling_site import calling_site

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.orm import ORMExecuteState

    from testkit.isolation.queries.facts import Recording
    from testkit.isolation.queries.place import Place

__all__ = ["StatementWatch"]

# Execution options reach the cursor's events from the session's.
_LAZY_LOAD: Final = "testkit_lazy_load"


class StatementWatch:
    """Follows every engine and session of the process while a recording is open.

    A statement belongs to the recordings that were open when it was sent, whichever thread, task
    or engine sent it. Statements for other databases, those that control a transaction, those of a
    dialect's first connection and the ping of a pool are left out. ``root`` ends with a slash.
    """

    def __init__(self, port: int, database: str, *, root: str) -> None:
        self._place: Place = (port, database)
        self._root = root
        self._key = f"testkit place {id(self)}"
        self._lock = threading.Lock()
        self._listening = False
        self._recordings: tuple[Recording, ...] = ()
        self._running: dict[int, Sent] = {}

    @property
    def listening(self) -> bool:
        """Whether SQLAlchemy calls this watch."""
        return self._listening

    def open(self, recording: Recording) -> None:
        """Add what is sent from now on; begins to listen, unless something did before."""
        with self._lock:
            self._recordings = (*self._recordings, recording)
            if not self._listening:
                self._listening = True
                for target, name, function in self._listeners():
                    event.listen(target, name, function)

    def close(self, recording: Recording) -> None:
        """Add nothing more to this recording. Goes on listening: SQLAlchemy may be calling."""
        with self._lock:
            self._recordings = tuple(r for r in self._recordings if r is not recording)

    def stop(self) -> None:
        """Close all recordings and stop listening."""
        with self._lock:
            self._recordings = ()
            self._running.clear()
            if self._listening:
                self._listening = False
                for target, name, function in self._listeners():
                    event.remove(target, name, function)

    def _listeners(self) -> tuple[tuple[Any, str, Any], ...]:
        return (
            (Engine, "before_cursor_execute", self._before),
            (Engine, "after_cursor_execute", self._after),
            (Session, "do_orm_execute", self._by_session),
        )

    def _by_session(self, state: ORMExecuteState) -> None:
        found = _lazy_load(state)
        # What a result loads further inherits its options.
        if found is not None or _LAZY_LOAD in state.execution_options:
            state.update_execution_options(**{_LAZY_LOAD: found})

    def _before(  # noqa: PLR0917 - SQLAlchemy's signature
        self,
        connection: Connection,
        cursor: object,
        statement: str,
        parameters: object,
        context: Any,
        executemany: bool,  # noqa: FBT001 - the same
    ) -> None:
        recordings = self._recordings
        if not recordings or controls_transaction(statement):
            return
        if not leads_to(connection, self._place, key=self._key):
            return
        sent = Sent(statement)
        if any(recording.detailed for recording in recordings):
            # DDL has no places for parameters, a driver's own text no compiled form.
            names = getattr(getattr(context, "compiled", None), "positiontup", None)
            sent.parameters = shown(parameters, names=names or (), many=executemany)
            sent.variant = variant(statement, parameters)
            sent.origin = calling_site(self._root, otherwise_library=True)
            sent.autocommit = bool(getattr(connection.connection, "autocommit", False))
            sent.executemany = executemany
            if context is not None:
                sent.lazy_load = context.execution_options.get(_LAZY_LOAD)
        self._running[id(cursor)] = sent
        for recording in recordings:
            recording.add(sent)
        sent.started = time.perf_counter()

    def _after(self, _connection: object, cursor: Any, *_others: object) -> None:
        ended = time.perf_counter()
        sent = self._running.pop(id(cursor), None)
        if sent is not None:
            sent.rowcount = cursor.rowcount
            sent.ended = ended


def _lazy_load(state: ORMExecuteState) -> LazyLoad | None:
    """Return which attribute of which class made the ORM load something, None where none did."""
    if not state.is_select or not state.is_orm_statement:
        return None
    loaded_from = state.lazy_loaded_from
    if loaded_from is not None:
        path = state.loader_strategy_path
        for part in reversed(path.path if path is not None else ()):
            if isinstance(part, RelationshipProperty):
                return LazyLoad(part.parent.class_.__name__, part.key)
        return LazyLoad(loaded_from.mapper.class_.__name__, None)
    if state.is_column_load and state.bind_mapper is not None:
        return LazyLoad(state.bind_mapper.class_.__name__, None)
    return None
