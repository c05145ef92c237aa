"""Connections of psycopg, sync and async, that share one session of the server.

Each behaves as one of its own: what it begins is a savepoint, what it commits is released. Their
cursors are in ``cursors.py``.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, cast

import psycopg
from psycopg.pq import TransactionStatus

from testkit.core.messages import TestkitError
from testkit.isolation.rollback.cursors import sending, text_of
from testkit.isolation.rollback.words import read

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from psycopg import IsolationLevel
    from psycopg.abc import Query

    from testkit.isolation.rollback.outer import OuterTransaction

__all__ = ["AsyncJoined", "Joined", "JoinedConnection"]


class _Info(psycopg.ConnectionInfo):
    """What the session tells, but for the transaction, which is the connection's own."""

    def __init__(self, connection: Any) -> None:
        super().__init__(connection.pgconn)
        self._connection = connection

    @property
    def transaction_status(self) -> TransactionStatus:
        """The status of the connection's own transaction."""
        if self._connection.outer.is_in_transaction(self._connection):
            return super().transaction_status
        return TransactionStatus.IDLE


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
        connection.cursor_factory = sending(connection.cursor_factory)
        connection.server_cursor_factory = sending(connection.server_cursor_factory)

    @property
    def closed(self) -> bool:
        """Whether it was closed, or handed out to a test that has ended."""
        return self.left or self.outer.link.closed or self.outer.number != self.number

    @property
    def broken(self) -> bool:
        """Whether it ended without being closed."""
        return self.closed and not self.left

    @property
    def info(self) -> psycopg.ConnectionInfo:
        """What the session tells, and of the transaction what is this connection's."""
        return _Info(self)

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
        self._level = None if value is None else psycopg.IsolationLevel(value)
        if self._level not in {None, psycopg.IsolationLevel.READ_COMMITTED}:
            level = psycopg.IsolationLevel(self._level).name.replace("_", " ")
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

    def refuse(self, code: str, what: str) -> Any:
        """Raise what says that this mode does not have that."""
        words = {"TK373": "statement", "TK375": "what", "TK377": "statement"}
        error = TestkitError(code, **{words[code]: what})
        raise psycopg.NotSupportedError(str(error))

    def pipeline(self) -> Any:
        """Raise NotSupportedError: what is sent here is more than what is asked for."""
        return self.refuse("TK375", "a pipeline of psycopg")

    def notifies(self, *_args: object, **_named: object) -> Any:
        """Raise NotSupportedError: nothing is ever delivered."""
        return self.refuse("TK373", "connection.notifies()")

    def tpc_begin(self, *_args: object) -> Any:
        """Raise NotSupportedError: the first phase would end the test's transaction."""
        return self.refuse("TK377", "a transaction in two phases")

    def check_open(self) -> None:
        """Raise OperationalError where it is closed. For whoever has the turn."""
        if self.closed:
            raise psycopg.OperationalError("the connection is closed")

    def before(self, text: str, *, holds: bool) -> tuple[str, str | None]:
        """Answer as ``OuterTransaction.statement``, for a connection that sends that text."""
        told = read(text)
        if told.kind == "begin":
            self._block = True
        elif told.kind in {"commit", "rollback"}:
            self._block = False
        self.set_up |= self.fresh and (told.writes or text.lstrip()[:3].upper() == "SET")
        return self.outer.statement(self, text, holds=holds)

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
        with contextlib.suppress(psycopg.OperationalError):
            self.rollback()
        self.leave()

    def commit(self) -> None:
        """Release what the transaction did. Raises what a constraint says to it."""
        with self.outer.turns.taken(by=self):
            self.check_open()
            try:
                self.send(self.outer.check(self))
            except psycopg.Error:
                self.send(self.outer.rollback(self))
                raise
            self.send(self.outer.commit(self))

    def rollback(self) -> None:
        """Undo what the transaction did."""
        with self.outer.turns.taken(by=self):
            self.check_open()
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
        block = psycopg.Transaction(self, savepoint_name, force_rollback)
        outermost = not self.outer.is_in_transaction(self)
        name = savepoint_name or f"block_{id(block)}"
        self.execute("SELECT" if outermost else f'SAVEPOINT "{name}"')
        try:
            yield block
        except BaseException as error:
            self.rollback() if outermost else self.execute(f'ROLLBACK TO SAVEPOINT "{name}"')
            if isinstance(error, psycopg.Rollback) and error.transaction in {None, block}:
                return
            raise
        if force_rollback:
            self.rollback() if outermost else self.execute(f'ROLLBACK TO SAVEPOINT "{name}"')
        else:
            self.commit() if outermost else self.execute(f'RELEASE SAVEPOINT "{name}"')

    def wait(self, gen: Any, *args: Any, **named: Any) -> Any:
        """Take the session's turn for it; leave nothing under way, whatever interrupts it."""
        with self.outer.turns.taken():
            self.use_handlers()
            try:
                return super().wait(gen, *args, **named)
            except BaseException:
                if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                    self.cancel()
                    with contextlib.suppress(psycopg.Error):
                        super().wait(gen, *args, **named)
                raise

    def send(self, commands: str) -> None:
        """Send commands that are ours, if there are any."""
        if commands:
            psycopg.Cursor(self).execute(commands.encode())

    @contextlib.contextmanager
    def statement(self, query: Query, *, holds: bool = False) -> Iterator[Query]:
        """Send, around a statement, what makes it one of this connection's transactions."""
        text = text_of(query, self)
        with self.outer.turns.taken(by=self):
            self.check_open()
            match read(text).kind:
                case "commit":
                    self.commit()
                case "rollback":
                    self.rollback()
            before, instead = self.before(text, holds=holds)
            self.send(before)
            try:
                yield query if instead is None else instead.encode()
            except BaseException:
                if self.ends_at_once():
                    self.rollback()
                raise
            if self.ends_at_once():
                self.commit()


class AsyncJoined(JoinedConnection, psycopg.AsyncConnection[Any]):
    """An asynchronous connection, for any event loop."""

    async def close(self) -> None:
        """Roll back, and leave the session to the others."""
        with contextlib.suppress(psycopg.OperationalError):
            await self.rollback()
        self.leave()

    async def commit(self) -> None:
        """Release what the transaction did. Raises what a constraint says to it."""
        async with self.outer.turns.taken_in_loop(by=self):
            self.check_open()
            try:
                await self.send(self.outer.check(self))
            except psycopg.Error:
                await self.send(self.outer.rollback(self))
                raise
            await self.send(self.outer.commit(self))

    async def rollback(self) -> None:
        """Undo what the transaction did."""
        async with self.outer.turns.taken_in_loop(by=self):
            self.check_open()
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
        block = psycopg.AsyncTransaction(self, savepoint_name, force_rollback)
        outermost = not self.outer.is_in_transaction(self)
        name = savepoint_name or f"block_{id(block)}"
        back = f'ROLLBACK TO SAVEPOINT "{name}"'
        await self.execute("SELECT" if outermost else f'SAVEPOINT "{name}"')
        try:
            yield block
        except BaseException as error:
            await (self.rollback() if outermost else self.execute(back))
            if isinstance(error, psycopg.Rollback) and error.transaction in {None, block}:
                return
            raise
        if force_rollback:
            await (self.rollback() if outermost else self.execute(back))
        else:
            await (self.commit() if outermost else self.execute(f'RELEASE SAVEPOINT "{name}"'))

    async def wait(self, gen: Any, *args: Any, **named: Any) -> Any:
        """Take the session's turn for it; leave nothing under way, however often it is cancelled.

        psycopg closes its connection where it is cancelled twice, and this one is everybody's.
        """
        async with self.outer.turns.taken_in_loop():
            self.use_handlers()
            work = asyncio.ensure_future(super().wait(gen, *args, **named))
            try:
                return await asyncio.shield(work)
            except asyncio.CancelledError:
                if not work.done():
                    self.cancel()
                while not work.done():
                    with contextlib.suppress(asyncio.CancelledError):
                        await asyncio.wait({work})
                if not work.cancelled():
                    work.exception()  # it has been seen
                raise

    async def send(self, commands: str) -> None:
        """Send commands that are ours, if there are any."""
        if commands:
            await psycopg.AsyncCursor(self).execute(commands.encode())

    @contextlib.asynccontextmanager
    async def statement(self, query: Query, *, holds: bool = False) -> AsyncIterator[Query]:
        """Send, around a statement, what makes it one of this connection's transactions."""
        text = text_of(query, self)
        async with self.outer.turns.taken_in_loop(by=self):
            self.check_open()
            match read(text).kind:
                case "commit":
                    await self.commit()
                case "rollback":
                    await self.rollback()
            before, instead = self.before(text, holds=holds)
            await self.send(before)
            try:
                yield query if instead is None else instead.encode()
            except BaseException:
                if self.ends_at_once():
                    await self.rollback()
                raise
            if self.ends_at_once():
                await self.commit()
