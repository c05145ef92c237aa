"""One call of a handler, kept within its time and its transaction."""

import asyncio

from cos.events.subscribing.delivery import Delivery, Handler
from cos.events.subscribing.failure import HandlerTimeoutError, TransactionEndedError

__all__ = ["guarded"]


async def guarded(handle: Handler, delivery: Delivery, *, seconds: float) -> None:
    """Call ``handle``; raise what it raises, as an `Exception` in any case but a real cancellation.

    Raises `HandlerTimeoutError` when it was cancelled for taking longer than ``seconds``,
    and `TransactionEndedError` when it committed or rolled back what is not its own.
    """
    transaction = delivery.session.get_transaction()
    try:
        async with asyncio.timeout(seconds) as limit:
            await _called(handle, delivery)
    except TimeoutError as error:
        if limit.expired():
            raise HandlerTimeoutError(f"no end within {seconds:g} s") from error
        raise
    if transaction is None or not transaction.is_active:
        raise TransactionEndedError(
            "the handler committed or rolled back the session of its delivery; the subscriber"
            " commits it when the handler returns (begin_nested is free to use)"
        )


async def _called(handle: Handler, delivery: Delivery) -> None:
    try:
        await handle(delivery)
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        # Nobody cancelled this task: the handler waited for something of its own that was.
        if task is not None and not task.cancelling():
            raise RuntimeError("the handler waited for a task that was cancelled") from error
        raise
