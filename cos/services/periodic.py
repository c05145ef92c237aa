"""Work that is done again and again beside the requests, through outages of the database."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from cos.events.pausing import pause
from cos.services.seldom import Seldom

__all__ = ["QUIET", "repeat"]

LOGGER: Final = logging.getLogger(__name__)
QUIET: Final = 60.0
"""Seconds for which a log is silent about what goes on and on, after a line about it."""


async def repeat(
    work: Callable[[asyncio.Event], Awaitable[object]],
    stop: asyncio.Event,
    *,
    interval: float,
    name: str,
) -> None:
    """Do ``work`` every ``interval`` seconds until ``stop`` is set.

    Where the database fails it is logged, a line a minute, and tried again after the interval.
    """
    failed = Seldom(QUIET)
    while not stop.is_set():
        try:
            await work(stop)
        except (SQLAlchemyError, OSError) as error:
            if (times := failed.again()) is not None:
                LOGGER.warning(
                    "%s failed, %d times since the last such line: %s", name, times, error
                )
        await pause(stop, interval)
