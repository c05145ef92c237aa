"""Cursors whose statements belong to a transaction of their connection."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

__all__ = ["sending", "text_of"]


class _Sending:
    """A synchronous one."""

    connection: Any

    def execute(self, query: Any, *args: Any, **named: Any) -> Any:
        with self.connection.statement(query) as sent:
            return super().execute(sent, *args, **named)  # type: ignore[misc]

    def executemany(self, query: Any, *args: Any, **named: Any) -> Any:
        with self.connection.statement(query) as sent:
            return super().executemany(sent, *args, **named)  # type: ignore[misc]

    def stream(self, query: Any, *args: Any, **named: Any) -> Iterator[Any]:
        turns = self.connection.outer.turns
        with self.connection.statement(query) as sent, turns.in_block(self.connection, "a stream"):
            yield from super().stream(sent, *args, **named)  # type: ignore[misc]

    @contextlib.contextmanager
    def copy(self, query: Any, *args: Any, **named: Any) -> Iterator[Any]:
        turns = self.connection.outer.turns
        with (
            self.connection.statement(query) as sent,
            turns.in_block(self.connection, "a COPY"),
            super().copy(sent, *args, **named) as copy,  # type: ignore[misc]
        ):
            yield copy


class _AsyncSending:
    """An asynchronous one."""

    connection: Any

    async def execute(self, query: Any, *args: Any, **named: Any) -> Any:
        async with self.connection.statement(query) as sent:
            return await super().execute(sent, *args, **named)  # type: ignore[misc]

    async def executemany(self, query: Any, *args: Any, **named: Any) -> Any:
        async with self.connection.statement(query) as sent:
            return await super().executemany(sent, *args, **named)  # type: ignore[misc]

    async def stream(self, query: Any, *args: Any, **named: Any) -> AsyncIterator[Any]:
        turns = self.connection.outer.turns
        async with self.connection.statement(query) as sent:
            with turns.in_block(self.connection, "a stream"):
                async for row in super().stream(sent, *args, **named):  # type: ignore[misc]
                    yield row

    @contextlib.asynccontextmanager
    async def copy(self, query: Any, *args: Any, **named: Any) -> AsyncIterator[Any]:
        turns = self.connection.outer.turns
        async with self.connection.statement(query) as sent:
            with turns.in_block(self.connection, "a COPY"):
                async with super().copy(sent, *args, **named) as copy:  # type: ignore[misc]
                    yield copy


class _Fetching(_Sending):
    """One on the server, where each fetch is a statement as well.

    It goes with what another one rolls back below it.
    """

    itersize: int

    def execute(self, query: Any, *args: Any, **named: Any) -> Any:
        with self.connection.statement(query, holds=True) as sent:
            return super(_Sending, self).execute(sent, *args, **named)  # type: ignore[misc]

    def fetchone(self) -> Any:
        with self.connection.statement("FETCH"):
            return super().fetchone()  # type: ignore[misc]

    def fetchmany(self, size: int = 0) -> Any:
        with self.connection.statement("FETCH"):
            return super().fetchmany(size)  # type: ignore[misc]

    def fetchall(self) -> Any:
        with self.connection.statement("FETCH"):
            return super().fetchall()  # type: ignore[misc]

    def __iter__(self) -> Iterator[Any]:
        while rows := self.fetchmany(self.itersize):
            yield from rows


class _AsyncFetching(_AsyncSending):
    """The same of an asynchronous one."""

    itersize: int

    async def execute(self, query: Any, *args: Any, **named: Any) -> Any:
        async with self.connection.statement(query, holds=True) as sent:
            return await super(_AsyncSending, self).execute(sent, *args, **named)  # type: ignore[misc]

    async def fetchone(self) -> Any:
        async with self.connection.statement("FETCH"):
            return await super().fetchone()  # type: ignore[misc]

    async def fetchmany(self, size: int = 0) -> Any:
        async with self.connection.statement("FETCH"):
            return await super().fetchmany(size)  # type: ignore[misc]

    async def fetchall(self) -> Any:
        async with self.connection.statement("FETCH"):
            return await super().fetchall()  # type: ignore[misc]

    async def __aiter__(self) -> AsyncIterator[Any]:
        while rows := await self.fetchmany(self.itersize):
            for row in rows:
                yield row


def sending(kind: type[Any]) -> type[Any]:
    """Return the class of cursors with what makes them belong."""
    if issubclass(kind, _Sending | _AsyncSending):
        return kind
    base: type[Any] = _AsyncSending
    for of, mixed in (
        (psycopg.ServerCursor, _Fetching),
        (psycopg.AsyncServerCursor, _AsyncFetching),
        (psycopg.Cursor, _Sending),
    ):
        if issubclass(kind, of):
            base = mixed
            break
    return type(kind.__name__, (base, kind), {})


def text_of(query: object, connection: Any) -> str:
    """Return the text of what psycopg takes as a query."""
    if isinstance(query, sql.Composable):
        return query.as_string(connection)
    return query.decode(errors="replace") if isinstance(query, bytes) else str(query)
