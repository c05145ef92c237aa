"""Connections of psycopg, sync and async, that share one session of the server.

Each behaves as one of its own: what it begins is a savepoint, what it commits is released.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, cast

import psycopg
from psycopg import sql
from psycopg.abc import Query  # noqa: TC002 - subclasses of psycopg's are read at run time

from testkit.core.messages import TestkitError
from testkit.isolation.rollback.words import read

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from psycopg import IsolationLevel

    from testkit.isolation.rollback.outer import OuterTransaction

__all__ = ["AsyncJoined", "Joined", "JoinedConnection"]


class JoinedConnection:
    """What both kinds have in common.

    ``number`` is of the test that it was handed out to; it is closed in all others.
    """

    outer: OuterTransaction
    number: int
    #: Whether its makers ran more than queries before they handed it out: settings, mostly.
    set_up = False
    #: Whether it is being made.
    fresh = True

    def join(self, outer: OuterTransaction, number: int, *, autocommit: bool) -> None:
        """Begin to use that transaction's session."""
        self.outer, self.number = outer, number
        self.at_once = autocommit
        self.left = self._block = False
        self._level: IsolationLevel | None = None
        self._reads_only: bool | None = None
        self._deferrable_: bool | None = None
        connection = cast("Any", self)
        connection._autocommit = True  # noqa: SLF001 - so that psycopg begins nothing by itself
        connection.prepare_threshold = None  # names of prepared statements are the session's
        self._handlers = (connection.pgconn.notice_handler, connection.pgconn.notify_handler)
        connection.cursor_factory = _sending(connection.cursor_factory)
        connection.server_cursor_factory = _sending(connection.server_cursor_factory)

    @property
    def closed(self) -> bool:
        """Whether it was closed, or handed out to a test that has ended."""
        return self.left or self.outer.link.closed or self.outer.number != self.number

    @property
    def broken(self) -> bool:
        """Whether it ended without being closed."""
        return self.closed and not self.left

    @property
    def autocommit(self) -> bool:
        """Whether each statement is a transaction of its own."""
        return self.at_once

    @autocommit.setter
    def autocommit(self, value: bool) -> None:
        self.at_once = bool(value)

    @property
    def isolation_level(self) -> IsolationLevel | None:
        """The level that was asked for; the one in force is the test's."""
        return self._level

    @isolation_level.setter
    def isolation_level(self, value: IsolationLevel | None) -> None:
        self._level = value
        if value is not None:
            level = psycopg.IsolationLevel(value).name
            self.outer.note(TestkitError("TK375", what=f"isolation level {level}"))

    @property
    def read_only(self) -> bool | None:
        """Whether that was asked for."""
        return self._reads_only

    @read_only.setter
    def read_only(self, value: bool | None) -> None:
        self._reads_only = value
        if value:
            self.outer.note(TestkitError("TK375", what="read only"))

    @property
    def deferrable(self) -> bool | None:
        """Whether that was asked for."""
        return self._deferrable_

    @deferrable.setter
    def deferrable(self, value: bool | None) -> None:
        self._deferrable_ = value

    def __del__(self, *_warn: object) -> None:
        """Say nothing of one that was not closed: the session is not its own."""

    def leave(self) -> None:
        """Use the session no more."""
        self.left = True

    def before(self, text: str) -> tuple[str, str | None]:
        """Answer as ``OuterTransaction.statement``, for a connection that sends that text."""
        told = read(text)
        if told.kind == "begin":
            self._block = True
        elif told.kind in {"commit", "rollback"}:
            self._block = False
        self.set_up |= self.fresh and told.writes
        return self.outer.statement(self, text)

    def ends_at_once(self) -> bool:
        """Return whether the statement just sent is a transaction of its own."""
        return self.at_once and not self._block

    def use_handlers(self) -> None:
        """Let what the server tells of itself reach this one's handlers."""
        connection = cast("Any", self)
        connection.pgconn.notice_handler, connection.pgconn.notify_handler = self._handlers


class Joined(JoinedConnection, psycopg.Connection[Any]):
    """A synchronous connection."""

    def close(self) -> None:
        """Roll back, and leave the session to the others."""
        if not self.closed:
            self.rollback()
        self.leave()

    def commit(self) -> None:
        """Release what the transaction did. Raises what a constraint says to it."""
        self._check_open()
        with self.outer.turns.taken():
            try:
                self.send(self.outer.check(self))
            except psycopg.Error:
                self.send(self.outer.rollback(self))
                raise
            self.send(self.outer.commit(self))

    def rollback(self) -> None:
        """Undo what the transaction did."""
        self._check_open()
        with self.outer.turns.taken():
            self.send(self.outer.rollback(self))

    def set_autocommit(self, value: bool) -> None:  # noqa: FBT001 - psycopg's
        """Let each statement be a transaction of its own."""
        self.autocommit = value

    def set_isolation_level(self, value: IsolationLevel | None) -> None:
        """Note the level, which stays as it is."""
        self.isolation_level = value

    def set_read_only(self, value: bool | None) -> None:  # noqa: FBT001 - psycopg's
        """Note what was asked for; it is not in force."""
        self.read_only = value

    def set_deferrable(self, value: bool | None) -> None:  # noqa: FBT001 - psycopg's
        """Note what was asked for; it is not in force."""
        self.deferrable = value

    @contextlib.contextmanager
    def transaction(
        self,
        savepoint_name: str | None = None,
        force_rollback: bool = False,  # noqa: FBT001, FBT002 - psycopg's
    ) -> Iterator[psycopg.Transaction]:
        """Do a block in a transaction where there is none, else in a savepoint."""
        self._check_open()
        outermost = not self.outer.is_in_transaction(self)
        with self.outer.turns.taken():
            self.send(self.outer.begin(self))
        try:
            with super().transaction(savepoint_name, force_rollback) as block:
                yield block
        except BaseException:
            if outermost:
                self.rollback()
            raise
        if outermost:
            self.commit()

    def wait(self, gen: Any, *args: Any, **named: Any) -> Any:
        """Take the session's turn for it."""
        with self.outer.turns.taken():
            self.use_handlers()
            return super().wait(gen, *args, **named)

    def send(self, commands: str) -> None:
        """Send commands that are ours, if there are any."""
        if commands:
            psycopg.Cursor(self).execute(commands.encode())

    @contextlib.contextmanager
    def statement(self, query: Query) -> Iterator[Query]:
        """Send, around a statement, what makes it one of this connection's transactions."""
        text = _text(query, self)
        self._check_open()
        with self.outer.turns.taken():
            match read(text).kind:
                case "commit":
                    self.commit()
                case "rollback":
                    self.rollback()
            before, instead = self.before(text)
            self.send(before)
            try:
                yield query if instead is None else instead.encode()
            except BaseException:
                if self.ends_at_once():
                    self.rollback()
                raise
            if self.ends_at_once():
                self.commit()

    def _check_open(self) -> None:
        if self.closed:
            raise psycopg.OperationalError("the connection is closed")


class AsyncJoined(JoinedConnection, psycopg.AsyncConnection[Any]):
    """An asynchronous connection, for any event loop."""

    async def close(self) -> None:
        """Roll back, and leave the session to the others."""
        if not self.closed:
            await self.rollback()
        self.leave()

    async def commit(self) -> None:
        """Release what the transaction did. Raises what a constraint says to it."""
        self._check_open()
        async with self.outer.turns.taken_in_loop():
            try:
                await self.send(self.outer.check(self))
            except psycopg.Error:
                await self.send(self.outer.rollback(self))
                raise
            await self.send(self.outer.commit(self))

    async def rollback(self) -> None:
        """Undo what the transaction did."""
        self._check_open()
        async with self.outer.turns.taken_in_loop():
            await self.send(self.outer.rollback(self))

    async def set_autocommit(self, value: bool) -> None:  # noqa: FBT001 - psycopg's
        """Let each statement be a transaction of its own."""
        self.autocommit = value

    async def set_isolation_level(self, value: IsolationLevel | None) -> None:
        """Note the level, which stays as it is."""
        self.isolation_level = value

    async def set_read_only(self, value: bool | None) -> None:  # noqa: FBT001 - psycopg's
        """Note what was asked for; it is not in force."""
        self.read_only = value

    async def set_deferrable(self, value: bool | None) -> None:  # noqa: FBT001 - psycopg's
        """Note what was asked for; it is not in force."""
        self.deferrable = value

    @contextlib.asynccontextmanager
    async def transaction(
        self,
        savepoint_name: str | None = None,
        force_rollback: bool = False,  # noqa: FBT001, FBT002 - psycopg's
    ) -> AsyncIterator[psycopg.AsyncTransaction]:
        """Do a block in a transaction where there is none, else in a savepoint."""
        self._check_open()
        outermost = not self.outer.is_in_transaction(self)
        async with self.outer.turns.taken_in_loop():
            await self.send(self.outer.begin(self))
        try:
            async with super().transaction(savepoint_name, force_rollback) as block:
                yield block
        except BaseException:
            if outermost:
                await self.rollback()
            raise
        if outermost:
            await self.commit()

    async def wait(self, gen: Any, *args: Any, **named: Any) -> Any:
        """Take the session's turn for it."""
        async with self.outer.turns.taken_in_loop():
            self.use_handlers()
            return await super().wait(gen, *args, **named)

    async def send(self, commands: str) -> None:
        """Send commands that are ours, if there are any."""
        if commands:
            await psycopg.AsyncCursor(self).execute(commands.encode())

    @contextlib.asynccontextmanager
    async def statement(self, query: Query) -> AsyncIterator[Query]:
        """Send, around a statement, what makes it one of this connection's transactions."""
        text = _text(query, self)
        self._check_open()
        async with self.outer.turns.taken_in_loop():
            match read(text).kind:
                case "commit":
                    await self.commit()
                case "rollback":
                    await self.rollback()
            before, instead = self.before(text)
            await self.send(before)
            try:
                yield query if instead is None else instead.encode()
            except BaseException:
                if self.ends_at_once():
                    await self.rollback()
                raise
            if self.ends_at_once():
                await self.commit()

    def _check_open(self) -> None:
        if self.closed:
            raise psycopg.OperationalError("the connection is closed")


class _Sending:
    """A cursor whose statements belong to a transaction of its connection."""

    connection: Any

    def execute(self, query: Any, *args: Any, **named: Any) -> Any:
        with self.connection.statement(query) as sent:
            return super().execute(sent, *args, **named)  # type: ignore[misc]

    def executemany(self, query: Any, *args: Any, **named: Any) -> Any:
        with self.connection.statement(query) as sent:
            return super().executemany(sent, *args, **named)  # type: ignore[misc]

    @contextlib.contextmanager
    def copy(self, query: Any, *args: Any, **named: Any) -> Iterator[Any]:
        with self.connection.statement(query) as sent, super().copy(sent, *args, **named) as copy:  # type: ignore[misc]
            yield copy


class _AsyncSending:
    """The same of an asynchronous one."""

    connection: Any

    async def execute(self, query: Any, *args: Any, **named: Any) -> Any:
        async with self.connection.statement(query) as sent:
            return await super().execute(sent, *args, **named)  # type: ignore[misc]

    async def executemany(self, query: Any, *args: Any, **named: Any) -> Any:
        async with self.connection.statement(query) as sent:
            return await super().executemany(sent, *args, **named)  # type: ignore[misc]

    @contextlib.asynccontextmanager
    async def copy(self, query: Any, *args: Any, **named: Any) -> AsyncIterator[Any]:
        async with (
            self.connection.statement(query) as sent,
            super().copy(sent, *args, **named) as copy,  # type: ignore[misc]
        ):
            yield copy


def _sending(kind: type[Any]) -> type[Any]:
    if issubclass(kind, (_Sending, _AsyncSending)):
        return kind
    base = _Sending if issubclass(kind, psycopg.Cursor | psycopg.ServerCursor) else _AsyncSending
    return type(kind.__name__, (base, kind), {})


def _text(query: object, connection: Any) -> str:
    if isinstance(query, sql.Composable):
        return query.as_string(connection)
    return query.decode(errors="replace") if isinstance(query, bytes) else str(query)
