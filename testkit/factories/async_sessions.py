"""Which AsyncSession a factory writes through; loaded by who awaits one, for it needs greenlet."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session

from testkit.core.current import current
from testkit.core.messages import TestkitError
from testkit.factories.sessions import bound_session, session_of_meta, wrong_session

__all__ = ["async_session_of", "one_at_a_time"]

_WANTED: Final = "an AsyncSession"
_turns: Final[WeakKeyDictionary[AsyncSession, asyncio.Lock]] = WeakKeyDictionary()


def async_session_of(factory: Any) -> AsyncSession:
    """Return the AsyncSession of a factory: its own, the bound one, or the running test's.

    A test that uses a ``db_session`` which is asynchronous means that one. Raises TK401, TK404.
    """
    meta = factory._meta  # noqa: SLF001 - factory-boy's
    bound = bound_session(meta.session_fixture)
    found = bound_session(meta.async_session_fixture)
    if found is None and isinstance(bound, AsyncSession):
        found = bound
    found = found or session_of_meta(meta)
    if found is None:
        found = _async_fixture(factory, meta)
    if isinstance(found, async_scoped_session):
        found = found()
    if not isinstance(found, AsyncSession):
        instead = "call the method without an a before its name, create() and the like"
        raise wrong_session(factory, meta.async_session_fixture, type(found), _WANTED, instead)
    return found


def _async_fixture(factory: Any, meta: Any) -> Any:
    request = current.request
    if request is None:
        raise TestkitError("TK401", factory=factory.__name__)
    names = (meta.session_fixture, meta.async_session_fixture)
    for name in names:
        if name in request.fixturenames:
            with contextlib.suppress(RuntimeError):  # of a fixture that is still to be set up
                found = request.getfixturevalue(name)
                if isinstance(found, (AsyncSession, async_scoped_session)):
                    return found
    try:
        return request.getfixturevalue(meta.async_session_fixture)
    except RuntimeError as error:  # a fixture of the user's that needs the loop that runs now
        name = meta.async_session_fixture
        instead = f"name {name} among the arguments of the test"
        raise wrong_session(factory, name, f"not set up yet ({error})", _WANTED, instead) from error


def one_at_a_time(session: AsyncSession) -> asyncio.Lock:
    """Return the lock of a session: an AsyncSession takes no two tasks at once."""
    return _turns.setdefault(session, asyncio.Lock())
