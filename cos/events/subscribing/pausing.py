"""Pauses that end when the work does."""

import asyncio

__all__ = ["pause"]


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait ``seconds``, or until ``stop`` is set; others run in any case."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
