"""One call of a factory from outside, with all that is made within it: written at its end."""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import InvalidRequestError

from testkit.core.current import current
from testkit.factories.sessions import is_asynchronous

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.orm import InstanceState, Session

__all__ = ["Call", "call_now", "calling"]


class Call:
    """What was made, and the sessions that it was added to, with how each is to be written.

    ``single`` says that one object was asked for, so that its hooks find it written; ``element``
    that the next call within this one is one of its batch, not somebody's who wants the row now.
    ``inner`` counts the latter that go on: the outermost call decides how the row is written.
    """

    def __init__(self) -> None:
        self.single = self.element = False
        self.inner = 0
        self._made: list[tuple[Session, Any]] = []
        self._sessions: dict[Session, str | None] = {}
        self._began: list[Session] = []

    def uses(self, session: Session, persistence: str | None) -> None:
        """Note a session, and how the factory that was called writes to it."""
        if session not in self._sessions:
            self._sessions[session] = persistence
            if not session.in_transaction():
                self._began.append(session)

    def settle(self, session: Session, persistence: str | None) -> None:
        """Let the factory that was called decide, whatever those of its parents would do."""
        self.uses(session, persistence)
        if not self.inner:
            self._sessions[session] = persistence

    def add(self, session: Session, made: Any) -> None:
        """Add an object to the session, and keep it until the test has ended."""
        session.add(made)
        self._made.append((session, made))
        if current.session is not None:
            current.made.append(made)

    def flush(self) -> None:
        """Send what was made to the database, so that keys can be read."""
        for session, persistence in self._sessions.items():
            if persistence is not None:
                session.flush()

    def write(self) -> None:
        """Write what is in the sessions' transactions."""
        for session, persistence in self._sessions.items():
            if persistence is not None and session.in_transaction():
                session.flush()
                self._load_what_the_server_made(session)
                if persistence == "commit":
                    _commit(session)

    def abandon(self) -> None:
        """Let the next call find nothing of this one, which failed."""
        for session in self._sessions:
            # What the flush of this call spoiled was rolled back already, whoever began it.
            spoiled = not session.is_active and not session.in_nested_transaction()
            if session in self._began or spoiled:
                with contextlib.suppress(InvalidRequestError):  # it may be beyond use
                    session.rollback()
        for session, made in reversed(self._made):
            if made in session.new:
                session.expunge(made)
            elif made in session:  # flushed, in a transaction that somebody else began
                with contextlib.suppress(InvalidRequestError):
                    session.delete(made)

    def _load_what_the_server_made(self, session: Session) -> None:
        # Under asyncio it could not be loaded when somebody reads it.
        for of, made in self._made if is_asynchronous(session) else ():
            state = sa.inspect(made)
            if of is session and state.expired_attributes:
                session.refresh(made, list(state.expired_attributes))


def _commit(session: Session) -> None:
    """Commit; what is in the session expires as its ``expire_on_commit`` says, but for keys.

    Hence reading a key, mostly for a URL, loads nothing, and what is read behind the application's
    work is what the application wrote. In an AsyncSession nothing expires: nobody could load it.
    """
    expires, session.expire_on_commit = session.expire_on_commit, False
    try:
        session.commit()
    finally:
        session.expire_on_commit = expires
    if expires and not is_asynchronous(session):
        for state in session.identity_map.all_states():
            _expire_all_but_key(session, state)


def _expire_all_but_key(session: Session, state: InstanceState[Any]) -> None:
    key = state.mapper.primary_key
    if len(state.dict) <= len(key) + 1:
        return  # nothing else is loaded
    kept = {state.mapper.get_property_by_column(column).key for column in key}
    made = state.obj()
    if made is not None:
        loaded = [n for n in state.dict if n in state.manager and n not in kept]
        session.expire(made, loaded)
        state.expired = True  # or a row that was deleted meanwhile would still be found by its key


_call: ContextVar[Call | None] = ContextVar("testkit_call", default=None)


def call_now() -> Call | None:
    """Return the call that goes on."""
    return _call.get()


@contextlib.contextmanager
def calling() -> Iterator[Call]:
    """Begin a call, and write at its end; inside another one go on with that."""
    outer = _call.get()
    if outer is not None:
        yield outer
        return
    call = Call()
    token = _call.set(call)
    try:
        yield call
        call.write()
    except BaseException:
        call.abandon()
        raise
    finally:
        _call.reset(token)
