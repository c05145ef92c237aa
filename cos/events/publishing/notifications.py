"""Hearing of new events, on a connection of its own."""

import asyncio
import logging
from typing import Final

from psycopg import AsyncConnection, Error, sql
from sqlalchemy.ext.asyncio import AsyncEngine

from cos.db.failures import reason
from cos.models.outbox_event import NOTIFICATION

__all__ = ["listen"]

LOGGER: Final = logging.getLogger(__name__)
# Seconds between two attempts to connect, the last one for ever.
PAUSES: Final = (0.1, 0.5, 2.0, 5.0)


async def listen(engine: AsyncEngine, woken: asyncio.Event) -> None:
    """Set ``woken`` whenever events were committed, until it is cancelled.

    A connection that is lost is made again, with growing pauses, and ``woken`` is set then, since
    something may have been missed. ``engine`` only says where the database is. Nobody may rely on
    this alone: a pooler between service and database swallows notifications without a word.
    """
    failures = 0
    while True:
        try:
            async with await _connected(engine) as connection:
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(NOTIFICATION)))
                if failures:
                    LOGGER.info("Notifications of new events arrive again.")
                failures = 0
                woken.set()
                async for _ in connection.notifies():
                    woken.set()
        except (Error, OSError) as error:
            if not failures:
                LOGGER.warning("New events are not notified of, but looked for: %s", reason(error))
            pause = PAUSES[min(failures, len(PAUSES) - 1)]
            failures += 1
            await asyncio.sleep(pause)


async def _connected(engine: AsyncEngine) -> AsyncConnection:
    arguments, options = engine.dialect.create_connect_args(engine.url)
    return await AsyncConnection.connect(*arguments, autocommit=True, **options)
