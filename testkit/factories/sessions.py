"""Which session a factory writes through."""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session, scoped_session

from testkit.core.current import current
from testkit.core.messages import TestkitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy.ext.asyncio import AsyncSession

__all__ = [
    "bound_session",
    "bound_to",
    "in_session",
    "is_asynchronous",
    "own_copy",
    "session_of",
    "session_of_meta",
    "wrong_session",
]

_bound: ContextVar[Mapping[str, Any]] = ContextVar("testkit_sessions")
_NONE: Final[Mapping[str, Any]] = {}
_ASYNCHRONOUS: Final = "testkit_asynchronous"


@contextlib.contextmanager
def bound_to(session: Session | AsyncSession, *, fixture: str = "db_session") -> Iterator[None]:
    """Let factories write through this session inside the block, in a test or outside of one.

    ``fixture`` is the name by which factories know it, their ``Meta.session_fixture``. An
    AsyncSession serves ``acreate`` and the like.
    """
    token = _bound.set({**_bound.get(_NONE), fixture: session})
    try:
        yield
    finally:
        _bound.reset(token)


def bound_session(fixture: str) -> Any:
    """Return what is bound in place of a fixture, None where nothing is."""
    return _bound.get(_NONE).get(fixture)


def session_of(factory: Any) -> Session:
    """Return the session of a factory: its own, the bound one, or the running test's fixture.

    Raises TK401 outside a test, TK404 where it is an AsyncSession.
    """
    meta = factory._meta  # noqa: SLF001 - factory-boy's place for options
    found = bound_session(meta.session_fixture) or session_of_meta(meta)
    if found is None:
        found = _of_the_test(factory, meta.session_fixture)
    if isinstance(found, scoped_session):
        found = found()
    if not isinstance(found, Session):
        instead = "await the method with an a before its name, acreate() and the like"
        raise wrong_session(factory, meta.session_fixture, type(found), "a Session", instead)
    return found


def wrong_session(
    factory: Any, fixture: str, found: object, wanted: str, instead: str
) -> TestkitError:
    """Return TK404 for what a fixture gives, or would give."""
    name = getattr(found, "__name__", found)
    return TestkitError(
        "TK404",
        factory=factory.__name__,
        fixture=fixture,
        found=name,
        wanted=wanted,
        instead=instead,
    )


def _of_the_test(factory: Any, fixture: str) -> Any:
    if fixture == "db_session" and current.session is not None:
        return current.session()
    if current.request is None:
        raise TestkitError("TK401", factory=factory.__name__)
    return current.request.getfixturevalue(fixture)


def session_of_meta(meta: Any) -> Any:
    """Return the session that factory-boy's own options name, None without."""
    if meta.sqlalchemy_session_factory is not None:
        return meta.sqlalchemy_session_factory()
    return meta.sqlalchemy_session


@contextlib.contextmanager
def in_session(factory: Any, session: Session) -> Iterator[None]:
    """Let the factory, and those beside it on the same fixtures, write through this session.

    It is the inner one of an AsyncSession.
    """
    meta = factory._meta  # noqa: SLF001 - factory-boy's
    session.info[_ASYNCHRONOUS] = True
    with bound_to(session, fixture=meta.session_fixture):
        yield


def is_asynchronous(session: Session) -> bool:
    """Return whether the session is the inner one of an AsyncSession."""
    return bool(session.info.get(_ASYNCHRONOUS))


def own_copy(session: Session, factory: str, name: str, parent: Any) -> Any:
    """Return the parent as this session has it, where another session has it, or had it.

    Raises TK410 where that one has not committed it.
    """
    state = sa.inspect(parent, raiseerr=False)
    if state is None or state.session is session or state.transient:
        return parent
    # A detached one may be shared by tests: it must not be drawn into this one's session.
    found = session.get(type(parent), state.identity) if state.identity else None
    if found is None:
        raise TestkitError("TK410", factory=factory, parent=name)
    return found
