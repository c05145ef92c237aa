"""Time that a server keeps: what is stored there is moved, its clock cannot be.

A shift makes a key or a row older, as if it had been written that much earlier.
"""

from __future__ import annotations

import inspect
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from testkit.core.messages import TestkitError

if TYPE_CHECKING:
    from collections.abc import Awaitable

__all__ = ["shift_key", "shift_row"]


def shift_key(client: Any, key: str | bytes, seconds: float | timedelta) -> Any:
    """Take this much off the time that a key of Redis has left; one without any left goes.

    Returns an awaitable for an asynchronous client. Raises TK663 for a key that is not there or
    never expires.
    """
    milliseconds = round(_seconds(seconds) * 1000)
    left = client.pttl(key)
    if inspect.isawaitable(left):
        return _shift_key_later(client, key, left, milliseconds)
    # Where nothing is left, Redis deletes the key: as if its time had come.
    client.pexpire(key, _left(key, left) - milliseconds)
    return None


def shift_row(session: Any, column: Any, seconds: float | timedelta, *, where: Any = None) -> Any:
    """Make the value of a column older in the rows that match; return how many rows there were.

    ``session`` is a Session or a Connection of SQLAlchemy; for an asynchronous one it returns an
    awaitable. ``column`` is a mapped attribute or a column of a table, of a date with time or of a
    number of seconds. Nothing is committed, and loaded objects keep their values until they are
    refreshed. Raises TK664 where no row matches.
    """
    column = column.__clause_element__() if hasattr(column, "__clause_element__") else column
    table = column.table
    is_number = column.type.python_type is not None and issubclass(
        column.type.python_type, (int, float)
    )
    by = _seconds(seconds)
    older = column - (by if is_number else timedelta(seconds=by))
    statement = table.update().values({table.c[column.name]: older})
    statement = statement if where is None else statement.where(where)
    result = session.execute(statement)
    if inspect.isawaitable(result):
        return _shifted_later(result, column)
    return _shifted(result, column)


async def _shift_key_later(
    client: Any, key: str | bytes, left: Awaitable[int], milliseconds: int
) -> None:
    await client.pexpire(key, _left(key, await left) - milliseconds)


def _left(key: str | bytes, left: int) -> int:
    if left < 0:
        name = key.decode(errors="replace") if isinstance(key, bytes) else key
        state = {-1: "never expires", -2: "is not there"}.get(left, "has no time left")
        raise TestkitError("TK663", key=name, state=state)
    return left


async def _shifted_later(result: Awaitable[Any], column: Any) -> int:
    return _shifted(await result, column)


def _shifted(result: Any, column: Any) -> int:
    if not result.rowcount:
        raise TestkitError("TK664", column=f"{column.table}.{column.name}")
    return int(result.rowcount)


def _seconds(seconds: float | timedelta) -> float:
    return seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
