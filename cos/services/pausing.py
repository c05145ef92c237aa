"""Pauses of work that goes on beside the requests."""

import asyncio

__all__ = ["pause"]


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Return after ``seconds``, or as soon as ``stop`` is set."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
