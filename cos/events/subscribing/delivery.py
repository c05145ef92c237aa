"""What a handler is given."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from cos.events.event import Event

__all__ = ["Delivery", "Handler"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event to be handled, with the session of the transaction in which it is marked as done.

    What is written through ``session`` is stored exactly once, or not at all; the subscriber
    commits it, not the handler. ``attempt`` counts from 1, over all processes. ``replayed`` events
    come from the dead letters, out of order.
    """

    event: Event
    session: AsyncSession
    attempt: int
    replayed: bool = False


Handler = Callable[[Delivery], Awaitable[None]]
