"""Pauses that end when what they wait for happens: the one way in which a job rests."""

import asyncio

__all__ = ["pause"]


async def pause(happens: asyncio.Event, seconds: float) -> None:
    """Return after ``seconds``, or as soon as ``happens`` is set; at once where it is already."""
    try:
        await asyncio.wait_for(happens.wait(), seconds)
    except TimeoutError:
        return
