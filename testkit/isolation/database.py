"""What the ``database`` fixture gives: this test's database, by URL, engine and session.

The ORM and the asynchronous half of SQLAlchemy are loaded when they are used: a test on an engine
alone would pay 80 ms for them.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from testkit.core.messages import TestkitError
from testkit.isolation.connections import is_joined

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
    from sqlalchemy.orm import Session

    from testkit.core.addresses import Address
    from testkit.isolation.followed_pools import FollowedPools
    from testkit.isolation.further import FurtherDatabases
    from testkit.isolation.queries.expectation import Queries
    from testkit.isolation.snapshots import Snapshot, Snapshots

__all__ = ["Database"]


class Database:
    """The database of this worker, in the state that every test starts from.

    Commit, open further connections, use threads: what is committed during a test is undone after
    it. ``engine`` lives as long as the worker; ``async_engine`` keeps no connection open between
    uses, so that it may be used from any event loop.
    """

    def __init__(self, address: Address, *, further: FurtherDatabases | None = None) -> None:
        """``further`` is given to one that ``another`` made."""
        self._address = address
        self._async_connections: list[object] = []
        self.snapshots: Snapshots | None = None
        self.further, self._is_further = further, further is not None
        self.followed: FollowedPools | None = None
        self._root = Path.cwd()  # now: a test may go elsewhere

    def url(self, driver: str | None = None) -> str:
        """Return the URL: psycopg 3 by default, or for ``asyncpg``, or plain for ``libpq``."""
        return self._address.url(driver)

    @cached_property
    def engine(self) -> Engine:
        """An engine with a pool."""
        return create_engine(self.url())

    @cached_property
    def async_engine(self) -> AsyncEngine:
        """An asynchronous engine without a pool."""
        from sqlalchemy.ext.asyncio import create_async_engine

        engine = create_async_engine(self.url(), poolclass=NullPool)
        event.listen(
            engine.sync_engine,
            "connect",
            lambda connection, _record: self._async_connections.append(
                connection.driver_connection
            ),
        )
        return engine

    @cached_property
    def queries(self) -> Queries:
        """Blocks in which the statements for this database are counted or recorded."""
        from testkit.isolation.queries.expectation import Queries

        return Queries(self._address, self._root)

    def session(self, **options: Any) -> Session:
        """Return a new session; close it, or use it in a ``with`` block.

        ``options`` are SQLAlchemy's, such as ``expire_on_commit=False``.
        """
        from sqlalchemy.orm import Session

        return Session(self.engine, **options)

    def async_session(self, **options: Any) -> AsyncSession:
        """Return a new asynchronous session; close it, or use it in an ``async with`` block.

        ``options`` are SQLAlchemy's, such as ``expire_on_commit=False``.
        """
        from sqlalchemy.ext.asyncio import AsyncSession

        return AsyncSession(self.async_engine, **options)

    def close_session(self, session: Session) -> None:
        """Close a session; one whose connection has broken has nothing to roll back."""
        try:
            session.close()
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            session.invalidate()

    async def close_async_session(self, session: AsyncSession) -> None:
        """Close an asynchronous session, as ``close_session`` does."""
        try:
            await session.close()
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            await session.invalidate()

    def another(self) -> Database:
        """Return one more database, made now from the same template, on the same server.

        It is dropped, with its sessions, behind the test or the wider-scoped fixture in which it
        was made. A transaction that is open then is a leak, TK302; nothing else is looked for. It
        has no snapshots. Raises TK349 for more than eight at a time.
        """
        assert self.further is not None
        return self.further.make()

    def snapshot(self) -> Snapshot:
        """Keep what is committed now, by whomever, for ``restore``.

        Raises TK306 where nothing is undone (``none``) or nothing committed (``rollback``).
        """
        return self._kept_states().take()

    def restore(self, snapshot: Snapshot | None = None) -> None:
        """Undo what was committed after a snapshot of this test, the last one if none is named.

        It may be restored again; later ones are gone. Objects that a session has loaded keep their
        values: call its ``expire_all()``. Raises TK301 where both the time before and after it
        changed the schema, TK302 where a transaction that began after it is open, TK305, TK306.
        """
        self._kept_states().restore(snapshot)

    def follow(self, pool: object) -> None:
        """Let a pool of psycopg, psycopg2 or asyncpg hand out nothing of one test to the next one.

        From the next use of the pool to its end, wherever it was made; once is enough. It finds a
        database that was replaced, and a connection that a test does not return is TK302. Pools of
        SQLAlchemy need no call. Raises TK361 for anything else, TK362 for too old a pool.
        """
        from testkit.isolation.followed_pools import methods_for

        if self.followed is not None:
            self.followed.follow(pool)
        else:
            methods_for(pool)  # nothing is undone, hence nothing replaced

    def _kept_states(self) -> Snapshots:
        if self.snapshots is None and self._is_further:
            reason = "only the worker's own database has snapshots"
            raise TestkitError("TK349", call="another(), then snapshot()", reason=reason)
        if self.snapshots is None:
            raise TestkitError("TK306")
        return self.snapshots

    def drop_async_connections(self) -> None:
        """Close asynchronous connections whose event loop is gone, without that loop."""
        for connection in self._async_connections:
            finish = getattr(getattr(connection, "pgconn", None), "finish", None)
            if finish is not None and not is_joined(connection):
                finish()
        self._async_connections.clear()

    def finish_test(self) -> None:
        """Close the blocks of ``queries`` that a test left open, and stop listening."""
        if "queries" in self.__dict__:
            self.queries.finish_test()

    def dispose(self) -> None:
        """Close the pool of ``engine``, if it was used."""
        if "engine" in self.__dict__:
            self.engine.dispose()
